// SPDX-License-Identifier: Apache-2.0
#pragma once
// The sizes and strides of a concrete MatMul, transpositions applied: a is [...,M,K], b [...,K,N].
#include <cstdint>
#include <vector>

#include "ops/op.h"

namespace lathe::cuda {

struct MatMulShape {
  struct Operand {
    std::vector<int64_t> lead;  // along the leading dimensions of y; 0 where it broadcasts
    int64_t row = 0, column = 0;
  };
  int64_t m = 0, n = 0, k = 0, batches = 1;
  Operand a, b;
};
MatMulShape matmul_shape(const OpInstance& op);

// Strides of operand k along the leading dimensions of y, then along its own last two.
MatMulShape::Operand matrix_operand(const OpInstance& op, size_t k);

}  // namespace lathe::cuda
