// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an operator is (OpDef) and one use of it (OpInstance). A graph node is an OpInstance plus
// operands, a tactic's problem is an OpInstance, an engine step is an OpInstance plus a tactic.
//
// Adding an operator: one file src/ops/NAME.cpp that defines `const OpDef& op_NAME()`, its cases in
// src/ops/NAME.cases, and one line in ops.def.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "ops/attrs.h"
#include "ops/expr.h"
#include "ops/fusion.h"
#include "tensor/host_tensor.h"
#include "tensor/shape.h"

namespace lathe {

struct OpDef;
struct PluginOperator;  // custom/library.h

// An operator with its types and attributes, no wiring. `in[k].absent()` marks an optional operand
// that is not given. Symbols may stand in types and attributes until a tactic sees it.
struct OpInstance {
  const OpDef* def = nullptr;
  std::vector<TensorType> in;
  std::vector<TensorType> out;
  Attrs attrs;
  Fusion fusion;             // empty unless the compiler fused something
  uint64_t constant_in = 0;  // bit k: operand k is a constant of the engine (weights)
  // The code of a Custom operator that a plugin brings, where the plugin is loaded (bind_plugins).
  std::shared_ptr<const PluginOperator> plugin = nullptr;

  bool is_constant(int k) const { return (constant_in >> k) & 1; }
  bool is_concrete() const;  // no symbol anywhere
  // "Conv{strides=[2, 2]}(f32[1,3,8,8], const f32[4,3,3,3]) -> (f32[1,4,4,4])": the tuner's key.
  std::string to_string() const;
  // Every type and attribute under the bindings; types of outputs are inferred anew and checked.
  Result<OpInstance> evaluate(const Bindings& values) const;
};

// Contents of a small integer tensor as dimension expressions, row-major (see InferContext).
using Contents = std::vector<Dim>;
constexpr int64_t kMaxContents = 1024;  // larger tensors are not tracked

// A fact that inference could not prove and the runtime checks once per shape.
struct Constraint {
  enum class Kind : uint8_t { Equal, Broadcastable, Nonnegative, Positive };
  Kind kind = Kind::Equal;
  Dim a, b;             // b unused by Nonnegative and Positive
  std::string message;  // "node 'add_3' (Add): dimensions"
  // Ok, or an error that says the message, both expressions and their values.
  Status check(const Bindings& values) const;
  friend bool operator==(const Constraint&, const Constraint&) = default;
};

// What one graph inside an If, Loop or Scan takes and gives.
struct RegionType {
  std::vector<TensorType> in, out;
  // What the symbols begin with that the region's own nodes give a value to: a size made of one of
  // them means nothing outside.
  std::vector<std::string> inner;
};

// What infer functions read and write.
class InferContext {
 public:
  InferContext(const Attrs& attrs, std::span<const TensorType> in,
               std::span<const std::optional<Contents>> contents,
               std::span<const RegionType> regions = {});
  const Attrs& attrs;
  std::span<const TensorType> in;
  std::span<const RegionType> regions;  // as many as OpDef::regions names

  int operands() const { return static_cast<int>(in.size()); }
  bool has(int k) const { return k < operands() && !in[static_cast<size_t>(k)].absent(); }
  const Shape& shape(int k) const { return in[static_cast<size_t>(k)].shape; }
  DType dtype(int k) const { return in[static_cast<size_t>(k)].dtype; }
  // Known contents of operand k, or null.
  const Contents* contents(int k) const;

  void add(DType dtype, Shape shape) { out.push_back({dtype, std::move(shape), Layout::RowMajor}); }
  void add_contents(size_t output, Contents values);
  // Demands a == b: proved, refuted (an error), or recorded as a constraint.
  Status require_equal(const Dim& a, const Dim& b, std::string_view what);
  Result<Shape> broadcast(const Shape& a, const Shape& b);
  Status require(bool condition, std::string_view message) const;

  std::vector<TensorType> out;
  std::vector<std::optional<Contents>> out_contents;
  std::vector<Constraint> constraints;

 private:
  std::span<const std::optional<Contents>> contents_;
};

// Half-open ranges of an output's coordinates, one for each dimension.
struct Box {
  std::vector<int64_t> begin, end;
  static Box whole(const Shape& concrete);
  int64_t elements() const;
  bool is_whole(const Shape& concrete) const;
  // Cut across the first dimension that it is longer than one along, into `parts` of equal size,
  // fewer where that is too short: neighbours in the box-shaped tensor.
  std::vector<Box> split(int64_t parts) const;
};
// Calls f(const int64_t* coordinates, int64_t at) for each element of the box in row-major order;
// `at` counts from 0 and is the element's place in the box-shaped output tensor.
template <class F>
void for_each(const Box& box, F&& f) {
  const size_t rank = box.begin.size();
  if (box.elements() == 0) return;
  std::vector<int64_t> c(box.begin);
  for (int64_t at = 0;; ++at) {
    f(static_cast<const int64_t*>(c.data()), at);
    size_t d = rank;
    while (d > 0 && ++c[d - 1] == box.end[d - 1]) --d, c[d] = box.begin[d];
    if (d == 0) return;
  }
}

// Arguments of a reference. All tensors are row-major whatever layouts the OpInstance says:
// references define values, not memory. When the box is not whole (only for operators with
// `boxes`), out[0] has the box's extents, and other outputs are ignored.
struct RefArgs {
  const OpInstance& op;            // concrete
  std::span<const HostTensor> in;  // empty tensor: absent
  std::span<HostTensor> out;       // allocated; the reference writes every element
  Box box;                         // of out[0]
  // When not null: f64, box-shaped; receives sum of |terms| for each element (0 where the result
  // is exact), which scales the error bound k * eps * sum.
  HostTensor* magnitude = nullptr;
};

// Work of a concrete instance, for the cost model and for "share of the hardware's limit".
struct Cost {
  double flops = 0;
  double bytes = 0;  // each operand read once, each output written once
};

// What a case or a tactic may differ by, per float type of the output: |y - ref| <= k * eps(dtype)
// * magnitude + k * eps * |ref|, eps being the type's unit roundoff (f32 2^-24, f16 2^-11, bf16
// 2^-8).
struct Tolerance {
  double k = 4;
  std::string_view why;
};

enum OpFlags : uint32_t {
  kNone = 0,
  kBoxes = 1,     // the reference can compute a part of output 0
  kHostOnly = 2,  // touches strings, sequences or shapes only; never placed on a GPU
  kRandom = 4,    // not a function of its operands: never folded or merged
  kOpaque = 16,   // its code may be missing: passes neither run nor merge it
  kView = 8,      // output 0 is operand 0's bytes in another row-major shape
};

struct OpDef {
  std::string_view name;      // PascalCase: "Conv"
  std::string_view doc;       // formula, shapes, types; source (ONNX operator, paper)
  std::string_view operands;  // "x w [b]": [..] optional, "x..." repeated
  std::string_view results = "y";
  std::span<const AttrDef> attrs = {};
  uint32_t flags = kBoxes;
  Tolerance tolerance = {};
  Status (*infer)(InferContext&) = nullptr;
  Status (*reference)(const RefArgs&) = nullptr;
  // Whether this instance can be run by its reference; null: always.
  bool (*has_reference)(const OpInstance&) = nullptr;
  Cost (*cost)(const OpInstance&) = nullptr;  // null: flops = output elements, bytes = all tensors
  // Control flow: the names of the graphs that a node of it holds, "then_branch else_branch", and
  // how many operands are its own. Those behind are captures, which are the last inputs of each
  // graph. It has no reference: interpret() runs the graphs.
  std::string_view regions = {};
  size_t (*own_operands)(const Attrs&) = nullptr;

  bool is(std::string_view n) const { return name == n; }
};

// The manifest ops.def as a list, and the definition of a name (null: none).
std::span<const OpDef* const> all_ops();
const OpDef* find_op(std::string_view name);

// Checks operand count and attributes against the schema, fills attributes' defaults, infers the
// outputs (ignoring fusion). The only way to make an OpInstance from parts.
struct Inferred {
  OpInstance op;
  std::vector<std::optional<Contents>> contents;
  std::vector<Constraint> constraints;
};
Result<Inferred> infer(const OpDef& def, std::vector<TensorType> in, Attrs attrs,
                       std::span<const std::optional<Contents>> contents = {},
                       std::span<const RegionType> regions = {});

// What must hold of an instance that was read from a file: attributes as the schema says, outputs
// as inference gives them, expressions and slices of the fusion sound.
Status verify_instance(const OpInstance& op);

// Runs the reference, fusion (prologue, epilogue) included, on whole tensors or on a box of output
// 0. Inputs are checked against op.in. The slow, obvious truth.
Result<std::vector<HostTensor>> run_reference(const OpInstance& op, std::span<const HostTensor> in);
struct BoxResult {
  HostTensor value;      // box-shaped, op.out[0]'s dtype
  HostTensor magnitude;  // f64
};
Result<BoxResult> run_reference_box(const OpInstance& op, std::span<const HostTensor> in,
                                    const Box& box);
// Several boxes, by several threads: what they share is computed once.
Result<std::vector<BoxResult>> run_reference_boxes(const OpInstance& op,
                                                   std::span<const HostTensor> in,
                                                   std::span<const Box> boxes);
Cost cost_of(const OpInstance& op);
bool has_reference(const OpInstance& op);
// The factor k of its operator's tolerance, or the instance's own.
double tolerance_of(const OpInstance& op);

}  // namespace lathe
