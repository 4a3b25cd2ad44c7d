// SPDX-License-Identifier: Apache-2.0
#include "onnx/import_quantize.h"

#include <algorithm>
#include <cmath>

#include "onnx/import_axes.h"

namespace lathe {
namespace {

bool is_single(const Value& v) {
  return std::all_of(v.type.shape.begin(), v.type.shape.end(),
                     [](const Dim& d) { return d.is(1); });
}

Status check_scale(NodeImport& n, const Value* scale) {
  if (!is_float(scale->type.dtype) || !is_computable(scale->type.dtype)) {
    return unsupported("a scale of type {} is not implemented", to_string(scale->type.dtype));
  }
  if (scale->type.rank() > 1) return unsupported("quantization in blocks is not implemented");
  const std::optional<HostTensor> known = n.fold(scale);
  for (int64_t k = 0; known && k < known->elements(); ++k) {
    const double s = known->get_f64(k);
    if (s == 0 || !std::isfinite(s)) return invalid("scale[{}] is {}", k, s);
  }
  return {};
}

Result<Value*> shaped(NodeImport& n, Value* v, const TensorType& x, int64_t axis) {
  if (is_single(*v)) return n.reshape(v, {});
  const int64_t at = LATHE_TRY(positive_axis(axis, x.rank()));
  const Dim& size = x.shape[static_cast<int>(at)];
  if (v->type.rank() != 1) return unsupported("quantization in blocks is not implemented");
  if (size.is_constant() && v->type.shape[0].is_constant() && !(size == v->type.shape[0])) {
    return invalid("{} scales or zero points for {} elements of axis {}", v->type.shape[0].value(),
                   size.value(), at);
  }
  Dims shape(static_cast<size_t>(x.rank() - at), 1);
  shape[0] = v->type.shape[0];
  return n.reshape(v, std::move(shape));
}

}  // namespace

Result<Quantization> read_quantization(NodeImport& n, const TensorType& x, size_t scale_at,
                                       size_t zero_at, int64_t axis) {
  Quantization q;
  q.scale = LATHE_TRY(n.need(scale_at, "scale"));
  LATHE_TRY(check_scale(n, q.scale));
  q.scale = LATHE_TRY(shaped(n, q.scale, x, axis));
  if (!n.in(zero_at)) return q;
  if (!is_computable(n.in(zero_at)->type.dtype)) {
    return unsupported("quantization to {} is not implemented",
                       to_string(n.in(zero_at)->type.dtype));
  }
  q.zero_point = LATHE_TRY(shaped(n, n.in(zero_at), x, axis));
  return q;
}

Result<Value*> quantize(NodeImport& n, Value* x, const Quantization& q, DType to) {
  if (!is_int(to) || !is_computable(to)) {
    return unsupported("quantization to {} is not implemented", to_string(to));
  }
  const std::string steps = "round(div(cast(%0, f32), cast(%1, f32)))";
  if (!q.zero_point) {
    return n.pointwise(fmt::format("cast_sat({}, {})", steps, to_string(to)), {x, q.scale});
  }
  return n.pointwise(fmt::format("cast_sat(add({}, cast(%2, f32)), {})", steps, to_string(to)),
                     {x, q.scale, q.zero_point});
}

Result<Value*> dequantize(NodeImport& n, Value* x, const Quantization& q, DType to) {
  if (!is_int(x->type.dtype) || !is_computable(x->type.dtype)) {
    return unsupported("dequantization of {} is not implemented", to_string(x->type.dtype));
  }
  if (!q.zero_point) {
    return n.pointwise(fmt::format("cast(mul(cast(%0, f32), cast(%1, f32)), {})", to_string(to)),
                       {x, q.scale});
  }
  return n.pointwise(
      fmt::format("cast(mul(cast(sub(cast(%0, i32), cast(%2, i32)), f32), cast(%1, f32)), {})",
                  to_string(to)),
      {x, q.scale, q.zero_point});
}

}  // namespace lathe
