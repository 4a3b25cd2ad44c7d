// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/gemm/gemm_epilogue.h"

#include <utility>

#include "backends/cpu/dnnl/onednn_prepared.h"
#include "backends/cpu/simd/image_epilogue.h"

namespace lathe::cpu {

std::byte* element(void* base, const MatrixPlace& p, int64_t group, int64_t row, int64_t column) {
  return static_cast<std::byte*>(base) +
         (group * p.group + row * p.row + column * p.column) * p.bytes;
}

GemmEpilogue::GemmEpilogue(const OpInstance& op, const GemmProblem& problem, bool in_place)
    : extras_(problem.extras), out_(problem.out), in_place_(in_place) {
  for (size_t k = anchor_in(op).size(); k < op.in.size(); ++k) operands_.push_back(k);
  operands_.push_back(0);
  const DType storage[] = {DType::F32};
  const Expr& e = op.fusion.epilogue;
  const Expr whole = e.empty() ? Expr::identity(op.out[0].dtype) : e;
  kernel_ = ExprKernel(whole, storage);
  inputs_ = whole.inputs().size();
}

void GemmEpilogue::run(const Buffers& at, const GemmBlock& b, float* product, int64_t row) const {
  Rows in[kMaxGemmOperands], out[kMaxGemmOperands];
  int64_t rows = b.rows, n = b.columns;
  bool joins = true;
  auto place = [&](void* base, const MatrixPlace& p) {
    joins = joins && ((p.row == 0 && p.column == 0) || (p.column == 1 && p.row == n));
    return Rows{element(base, p, b.group, b.first, b.column), p.column, p.row};
  };
  for (size_t k = 0; k < out_.size(); ++k) out[k] = place(at.out[k], out_[k]);
  if (in_place_) {
    in[0] = out[0];
  } else {
    in[0] = {product, 1, row};
    joins = joins && row == n;
  }
  size_t inputs = 1;
  for (size_t k = 0; k < operands_.size(); ++k, ++inputs) {
    if (!reads(inputs)) continue;
    in[inputs] = place(at.in[operands_[k]], extras_[k]);
  }
  if (joins) n *= std::exchange(rows, 1);
  kernel_.run({in, inputs}, {out, out_.size()}, rows, n);
}

}  // namespace lathe::cpu
