// SPDX-License-Identifier: Apache-2.0
// DynamicQuantizeLinear: scale and zero point from the extremes of x, which include 0.
#include "onnx/import_axes.h"
#include "onnx/import_quantize.h"

namespace lathe {

Status import_dynamic_quantize(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "x"));
  Attrs attrs;
  attrs.set("kind", std::string("max")).set("axes", all_axes(x->type.rank()));
  attrs.set("keepdims", int64_t{0});
  Value* most = LATHE_TRY(n.add("Reduce", {x}, attrs));
  attrs.set("kind", std::string("min"));
  Value* least = LATHE_TRY(n.add("Reduce", {x}, attrs));
  Quantization q;
  q.scale = LATHE_TRY(n.pointwise("div(sub(max(%0, 0:$), min(%1, 0:$)), 255:$)", {most, least}));
  q.zero_point = LATHE_TRY(
      n.pointwise("cast_sat(round(div(sub(0:$, min(%0, 0:$)), %1)), u8)", {least, q.scale}));
  LATHE_TRY(n.result(LATHE_TRY(quantize(n, x, q, DType::U8)), 0));
  LATHE_TRY(n.result(q.scale, 1));
  return n.result(q.zero_point, 2);
}

}  // namespace lathe
