// SPDX-License-Identifier: Apache-2.0
#pragma once
// What becomes of a block of a product while it is in cache: the epilogue, or only its way to where
// the result lies.
#include <vector>

#include "backends/cpu/gemm/gemm.h"
#include "backends/cpu/simd/expr_kernel.h"

namespace lathe::cpu {

// Rows and columns of one group of the result.
struct GemmBlock {
  int64_t group, first, rows, column, columns;
};

std::byte* element(void* base, const MatrixPlace& p, int64_t group, int64_t row, int64_t column);

class GemmEpilogue {
 public:
  GemmEpilogue() = default;
  // `in_place`: the product stands, f32, in result 0, which the epilogue overwrites.
  GemmEpilogue(const OpInstance& op, const GemmProblem& problem, bool in_place);

  bool empty() const { return kernel_.empty(); }
  // `product`: the block, its rows `row` floats apart, when not in place.
  void run(const Buffers& at, const GemmBlock& block, float* product, int64_t row) const;

 private:
  bool reads(size_t input) const {
    return input < inputs_ && kernel_.reads(static_cast<int>(input));
  }
  ExprKernel kernel_;
  size_t inputs_ = 0;
  std::vector<size_t> operands_;  // of the instance, by extras_
  std::vector<MatrixPlace> extras_, out_;
  bool in_place_ = false;
};

}  // namespace lathe::cpu
