// SPDX-License-Identifier: Apache-2.0
// MatMulInteger and QLinearMatMul: exact products in I32, scaled and quantized afterwards.
#include "onnx/import_axes.h"
#include "onnx/import_quantize.h"

namespace lathe {
namespace {

// A vector of a's rows becomes a column beside them; of b's columns it broadcasts as it is.
Result<Value*> along_rows(NodeImport& n, Value* v, const Value* matrix) {
  if (v->type.rank() != 1 || v->type.shape[0].is(1) || matrix->type.rank() < 2) return v;
  return n.reshape(v, {v->type.shape[0], 1});
}

Result<Value*> centred_i32(NodeImport& n, Value* x, Value* zero) {
  if (!zero) return n.cast(x, DType::I32);
  return n.pointwise("sub(cast(%0, i32), cast(%1, i32))", {x, zero});
}

Result<Value*> product(NodeImport& n, size_t b_at, size_t a_zero, size_t b_zero) {
  Value* a = LATHE_TRY(n.need(0, "a"));
  Value* b = LATHE_TRY(n.need(b_at, "b"));
  if (a->type.rank() < 2 || b->type.rank() < 2) return unsupported("vectors are not implemented");
  Value* za = n.in(a_zero) ? LATHE_TRY(along_rows(n, n.in(a_zero), a)) : nullptr;
  a = LATHE_TRY(centred_i32(n, a, za));
  b = LATHE_TRY(centred_i32(n, b, n.in(b_zero)));
  return n.add("MatMul", {a, b});
}

}  // namespace

Status import_qlinear_matmul(NodeImport& n) {
  if (n.type() == "MatMulInteger") return n.result(LATHE_TRY(product(n, 1, 2, 3)));
  for (size_t k = 0; k < 8; ++k) LATHE_TRY(n.need(k, "QLinearMatMul's"));
  Value* y = LATHE_TRY(product(n, 3, 2, 5));
  Value* sa = LATHE_TRY(along_rows(n, n.in(1), n.in(0)));
  y = LATHE_TRY(
      n.pointwise("mul(cast(%0, f32), mul(cast(%1, f32), cast(%2, f32)))", {y, sa, n.in(4)}));
  const Quantization q = LATHE_TRY(read_quantization(n, y->type, 6, 7, y->type.rank() - 2));
  return n.result(LATHE_TRY(quantize(n, y, q, n.in(7)->type.dtype)));
}

}  // namespace lathe
