// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reading and editing a Plan while it is being made: who writes, who reads, adding, erasing.
#include <vector>

#include "engine/plan.h"

namespace lathe {

// A reader: step and operand number.
struct Use {
  int step;
  int operand;
};

struct PlanIndex {
  std::vector<int> producer;           // by tensor: step that writes it, -1: none
  std::vector<std::vector<Use>> uses;  // by tensor
  std::vector<int> output_uses;        // by tensor: plan outputs that are it
  std::vector<int> alias_uses;         // by tensor: aliases of it

  explicit PlanIndex(const Plan& plan);
  // Step `from` was fused into step `to`: what it read, `to` reads.
  void take_over(const Step& from, int from_number, int to);
};

inline PlanTensor& tensor(Plan& plan, TensorId t) { return plan.tensors[static_cast<size_t>(t)]; }
inline const PlanTensor& tensor(const Plan& plan, TensorId t) {
  return plan.tensors[static_cast<size_t>(t)];
}

TensorId add_tensor(Plan& plan, std::string name, TensorType type);
// A constant tensor; equal constants share their bytes.
TensorId add_constant(Plan& plan, std::string name, HostTensor value);
// Keeps constant_in of every step true to its operands.
void mark_constants(const Plan& plan, Step& step);
inline bool is_pointwise(const Step& s) { return s.op.def->is("Pointwise"); }
// Appends the operand unless it stands there from `first` on; its number among `ids`.
int operand_number(std::vector<TensorId>& ids, std::vector<TensorType>& types, TensorId id,
                   const TensorType& type, size_t first);
// "a+b", or a's name where that grows too long.
std::string joined_name(const Step& a, const Step& b);
// The Pointwise step `inner` computed inside the Pointwise step `outer`, which reads its result.
Step merged(const Step& inner, const Step& outer);
// A 1x1 convolution and the depthwise one that alone reads it as one ExpandDepthwise step, or
// nothing where what stands around them does not allow it.
std::optional<Step> joined_expansion(const Plan& plan, const Step& expansion,
                                     const Step& depthwise);
// The one axis along which a plain Slice takes neighbouring elements, or -1; where it starts there.
int slice_axis(const Step& s);
Dim slice_start(const Step& s, int axis);
// Whether the sizes along all other axes are those of the whole, by what their expressions say.
bool is_part(const TensorType& part, const TensorType& whole, int axis);
void erase_steps(Plan& plan, const std::vector<bool>& dead);
// Drops tensors, constants that nothing names, and renumbers. Steps whose results nobody reads go
// too.
void drop_unused(Plan& plan);

// The step's instance at the tuned point, and its constants by operand.
Result<OpInstance> at_point(const Step& step, const Bindings& point);
std::vector<HostTensor> constants_of(const Plan& plan, const Step& step);

}  // namespace lathe
