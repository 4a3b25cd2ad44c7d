// SPDX-License-Identifier: Apache-2.0
// Gemm: alpha * A * B + beta * C.
#include "onnx/import_axes.h"

namespace lathe {
namespace {

Result<Value*> scaled(NodeImport& n, Value* x, double by) {
  if (by == 1.0) return x;
  if (is_int(x->type.dtype))
    return n.pointwise(fmt::format("cast(mul(cast(%0, f64), {:.17g}:f64), $)", by), {x});
  return n.pointwise(fmt::format("mul(%0, {})", literal(by)), {x});
}

// A constant bias is scaled here, so that it stays one.
Result<Value*> bias_of(NodeImport& n, double beta) {
  Value* c = n.in(2);
  const HostTensor* t = c->constant();
  if (beta == 1.0 || !t || !is_float(t->dtype())) return scaled(n, c, beta);
  HostTensor out = LATHE_TRY(HostTensor::make(t->type()));
  for (int64_t k = 0; k < t->elements(); ++k) out.set_f64(k, beta * t->get_f64(k));
  return n.constant(std::move(out));
}

}  // namespace

Status import_gemm(NodeImport& n) {
  Value* a = LATHE_TRY(n.need(0, "A"));
  Value* b = LATHE_TRY(n.need(1, "B"));
  if (a->type.rank() != 2 || b->type.rank() != 2) {
    return invalid("A {} and B {} must be matrices", a->type.to_string(), b->type.to_string());
  }
  n.without_effect({"broadcast"});  // the shapes say it
  const double alpha = n.f("alpha", 1.0), beta = n.f("beta", 1.0);
  Attrs attrs;
  attrs.set("transpose_a", int64_t{n.i("transA", 0) != 0});
  attrs.set("transpose_b", int64_t{n.i("transB", 0) != 0});
  std::vector<Value*> operands{a, b};
  const bool has_bias = n.in(2) && beta != 0.0;
  if (has_bias && alpha == 1.0) operands.push_back(LATHE_TRY(bias_of(n, beta)));
  Value* y = LATHE_TRY(n.add("MatMul", operands, std::move(attrs)));
  if (alpha == 1.0) return n.result(y);
  y = LATHE_TRY(scaled(n, y, alpha));
  if (!has_bias) return n.result(y);
  Value* bias = LATHE_TRY(bias_of(n, beta));
  return n.result(LATHE_TRY(n.pointwise("add(%0, %1)", {y, bias})));
}

}  // namespace lathe
