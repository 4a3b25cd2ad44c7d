// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/gemm/matmul_gemm.h"

#include <algorithm>

#include "backends/cpu/dnnl/onednn_prepared.h"

namespace lathe::cpu {
namespace {

// A tensor that broadcasts to `shape` as a matrix of its last dimension's rows; false: the rows do
// not follow each other evenly.
bool place(const TensorType& type, const std::vector<int64_t>& strides,
           const std::vector<int64_t>& shape, MatrixPlace& into) {
  const std::vector<int64_t> sizes = type.shape.sizes();
  auto stride = [&](size_t d) {  // along dimension d of `shape`
    const size_t missing = shape.size() - sizes.size();
    return d < missing || sizes[d - missing] == 1 ? 0 : strides[d - missing];
  };
  into = {0, 0, stride(shape.size() - 1), bits(type.dtype) / 8};
  int64_t rows = 1;
  for (size_t d = shape.size() - 1; d-- > 0;) {
    if (shape[d] == 1) continue;
    if (rows == 1) into.row = stride(d);
    if (stride(d) != rows * into.row) return false;
    rows *= shape[d];
  }
  return true;
}

bool place_operand(const OpInstance& op, size_t k, const std::vector<int64_t>& shape,
                   MatrixPlace& into) {
  const TensorType& t = op.in[k];
  return static_cast<size_t>(t.rank()) <= shape.size() &&
         place(t, operand_strides(op, static_cast<int>(k)), shape, into);
}

bool is_row_of(const TensorType& bias, int64_t columns) {
  const std::vector<int64_t> sizes = bias.shape.sizes();
  return !sizes.empty() && sizes.back() == columns && bias.shape.elements() == columns;
}

std::string refuse(const OpInstance& op, DType type) {
  for (const TensorType& t : op.in) {
    if (!t.absent() && t.layout != Layout::RowMajor) return "an operand is not row-major";
  }
  for (const TensorType& t : op.out) {
    if (t.layout != Layout::RowMajor) return "a result is not row-major";
  }
  if (op.attrs.i("transpose_a") != 0) return "a is transposed";
  const std::vector<int64_t> weights = op.in[1].shape.sizes();
  if (std::any_of(weights.begin(), weights.end() - 2, [](int64_t d) { return d != 1; })) {
    return "the weights have several batches";
  }
  const int64_t columns = op.out[0].shape[op.out[0].rank() - 1].value();
  if (has_operand(op, 2) && !is_row_of(op.in[2], columns)) return "the bias is not one row";
  return refuse_gemm(op, type);
}

}  // namespace

GemmProblem matmul_gemm(const OpInstance& op, DType type) {
  GemmProblem p;
  p.type = type;
  p.why = refuse(op, type);
  if (!p.ok()) return p;
  const std::vector<int64_t> y = op.out[0].shape.sizes();
  p.depth = op.in[0].shape.sizes().back();
  p.columns = y.back();
  p.rows = op.out[0].shape.elements() / p.columns;
  const bool transposed = op.attrs.i("transpose_b") != 0;
  for (int64_t k = 0; k < p.depth; ++k) p.weight_rows.push_back(transposed ? k : k * p.columns);
  p.weight_step = transposed ? p.depth : 1;
  p.has_bias = has_operand(op, 2);
  const std::vector<int64_t> x = op.in[0].shape.sizes();
  if (!place_operand(op, 0, x, p.a)) p.why = "the input's rows do not follow each other evenly";
  if (p.a.column != 1 && p.depth > 1) p.why = "a row of the input has gaps";
  auto place_as = [&](size_t k, bool in_result, MatrixPlace& into) {
    return place_operand(op, k, in_result ? y : x, into);
  };
  if (p.ok()) p.why = place_operands(op, place_as, p);
  for (size_t k = 0; k < op.out.size() && p.ok(); ++k) {
    p.out.emplace_back();
    if (!place(op.out[k], result_strides(op, static_cast<int>(k)), y, p.out.back())) {
      p.why = "a result's rows do not follow each other evenly";
    }
  }
  return p;
}

}  // namespace lathe::cpu
