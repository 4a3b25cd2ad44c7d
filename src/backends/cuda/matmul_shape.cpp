// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/matmul_shape.h"

#include <utility>

#include "backends/cuda/kernel.h"

namespace lathe::cuda {

MatMulShape::Operand matrix_operand(const OpInstance& op, size_t k) {
  const TensorType& type = op.in[k];
  Shape to = op.out[0].shape;
  const int rank = to.rank(), own_rank = type.rank();
  to[rank - 2] = type.shape[own_rank - 2];
  to[rank - 1] = type.shape[own_rank - 1];
  std::vector<int64_t> s = broadcast_strides(type, operand_strides(op, static_cast<int>(k)), to);
  const auto last = static_cast<size_t>(rank) - 1;
  MatMulShape::Operand o{{s.begin(), s.end() - 2}, s[last - 1], s[last]};
  return o;
}

MatMulShape matmul_shape(const OpInstance& op) {
  MatMulShape s;
  const bool ta = op.attrs.i("transpose_a") != 0, tb = op.attrs.i("transpose_b") != 0;
  const Shape &a = op.in[0].shape, &y = op.out[0].shape;
  s.m = y[y.rank() - 2].value();
  s.n = y[y.rank() - 1].value();
  s.k = a[a.rank() - (ta ? 2 : 1)].value();
  for (int d = 0; d < y.rank() - 2; ++d) s.batches *= y[d].value();
  s.a = matrix_operand(op, 0);
  s.b = matrix_operand(op, 1);
  if (ta) std::swap(s.a.row, s.a.column);
  if (tb) std::swap(s.b.row, s.b.column);
  return s;
}

}  // namespace lathe::cuda
