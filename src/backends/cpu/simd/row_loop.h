// SPDX-License-Identifier: Apache-2.0
#pragma once
// Rows of an operation whose result has operand 0's shape and that treats some axes as one row:
// softmax, normalization. Brings each row to f32 (prologue, widening, gathering), hands it out, and
// takes the result to where it belongs (epilogue, narrowing, scattering); rows that lie well in
// memory already are read and written in place.
#include <memory>
#include <vector>

#include "backends/cpu/simd/expr_kernel.h"
#include "backends/cpu/simd/nest.h"

namespace lathe::cpu {

// An anchor's types; without fusion the instance's own.
const std::vector<TensorType>& anchor_inputs(const OpInstance& op);
DType anchor_result_type(const OpInstance& op);

struct RowView {
  const float* x;
  float* y;  // may be x
  int64_t n;
  // Operands 1 and 2 of the anchor along the row (null: absent), or one value for all of it.
  const float* parameters[2];
  bool is_single[2];
};

class RowLoop {
 public:
  // What a loop does not do, as a reason.
  static Support supports(const OpInstance& op);
  // `axes`: those of a row.
  RowLoop(const OpInstance& op, const std::vector<int>& axes);

  // Calls f for each row, in parallel.
  template <class F>
  void run(const Buffers& at, F&& f) const {
    using Body = std::remove_reference_t<F>;
    run(
        at, [](void* g, const RowView& row) { (*static_cast<Body*>(g))(row); }, &f);
  }
  int64_t row_length() const { return length_; }

 private:
  friend class RowRun;
  struct Tensor {
    int number = 0;  // among operands or results
    bool is_result = false;
    int64_t bytes = 0;
  };
  void run(const Buffers& at, void (*f)(void*, const RowView&), void* context) const;
  bool in_place(size_t tensor, DType type) const;

  std::vector<Tensor> tensors_;  // operand 0, results, extras, parameters: in the nests' order
  size_t results_ = 0, extras_ = 0;
  std::vector<int> parameter_;  // index into tensors_ of the anchor's operands 1 and 2, or -1
  Nest outer_, inner_;
  int64_t length_ = 1;
  ExprKernel enter_, leave_;  // empty: the row is used in place
  bool has_prologue_ = false, has_epilogue_ = false;
  std::vector<ExprKernel> widen_;  // by parameter; empty: in place
  bool is_single_[2] = {};         // by parameter: one value for a row, f32
};

}  // namespace lathe::cpu
