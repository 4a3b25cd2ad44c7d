// SPDX-License-Identifier: Apache-2.0
// QLinearConv as dequantize, Conv, quantize; ConvInteger as a Conv in F64, which holds every sum
// of products of 8-bit numbers exactly.
#include "onnx/import_quantize.h"
#include "onnx/import_window.h"

namespace lathe {
namespace {

Result<Attrs> conv_attrs(NodeImport& n, const Value* x, const Value* w) {
  if (w->type.rank() != x->type.rank()) {
    return invalid("x {} and w {} differ in rank", x->type.to_string(), w->type.to_string());
  }
  const Ints kernel = LATHE_TRY(kernel_of(w->type.shape));
  Attrs attrs = window_attrs(LATHE_TRY(read_window(n, x->type.shape, kernel)));
  attrs.set("group", n.i("group", 1));
  return attrs;
}

// x minus operand k, its zero point, in F64.
Result<Value*> centred(NodeImport& n, Value* x, size_t k, int64_t axis) {
  if (!n.in(k)) return n.cast(x, DType::F64);
  Value* zero = n.in(k);
  if (zero->type.rank() == 1 && !zero->type.shape[0].is(1)) {
    Dims shape(static_cast<size_t>(x->type.rank() - axis), 1);
    shape[0] = zero->type.shape[0];
    zero = LATHE_TRY(n.reshape(zero, std::move(shape)));
  } else {
    zero = LATHE_TRY(n.reshape(zero, {}));
  }
  return n.pointwise("sub(cast(%0, f64), cast(%1, f64))", {x, zero});
}

Status conv_integer(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "x"));
  Value* w = LATHE_TRY(n.need(1, "w"));
  Attrs attrs = LATHE_TRY(conv_attrs(n, x, w));
  x = LATHE_TRY(centred(n, x, 2, 1));
  w = LATHE_TRY(centred(n, w, 3, 0));
  Value* y = LATHE_TRY(n.add("Conv", {x, w}, std::move(attrs)));
  return n.result(LATHE_TRY(n.cast(y, DType::I32)));
}

}  // namespace

Status import_qlinear_conv(NodeImport& n) {
  if (n.type() == "ConvInteger") return conv_integer(n);
  Value* x = LATHE_TRY(n.need(0, "x"));
  Value* w = LATHE_TRY(n.need(3, "w"));
  Attrs attrs = LATHE_TRY(conv_attrs(n, x, w));
  const Quantization qx = LATHE_TRY(read_quantization(n, x->type, 1, 2, 1));
  const Quantization qw = LATHE_TRY(read_quantization(n, w->type, 4, 5, 0));
  x = LATHE_TRY(dequantize(n, x, qx, DType::F32));
  w = LATHE_TRY(dequantize(n, w, qw, DType::F32));
  std::vector<Value*> operands{x, w};
  if (n.in(8)) {
    Value* scale = LATHE_TRY(n.reshape(
        n.in(4), n.in(4)->type.shape.count().is(1) ? Dims{} : Dims{n.in(4)->type.shape[0]}));
    operands.push_back(
        LATHE_TRY(n.pointwise("mul(cast(%0, f32), mul(%1, %2))", {n.in(8), qx.scale, scale})));
  }
  Value* y = LATHE_TRY(n.add("Conv", std::move(operands), std::move(attrs)));
  const Quantization qy = LATHE_TRY(read_quantization(n, y->type, 6, 7, 1));
  const DType to = LATHE_TRY(n.need(7, "y_zero_point"))->type.dtype;
  return n.result(LATHE_TRY(quantize(n, y, qy, to)));
}

}  // namespace lathe
