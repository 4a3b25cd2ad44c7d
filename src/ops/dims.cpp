// SPDX-License-Identifier: Apache-2.0
#include "ops/op.h"

namespace lathe {
namespace {

Status infer_dims(InferContext& c) {
  DType type = c.attrs.dtype("dtype");
  if (!is_computable(type)) return invalid("{} cannot hold dimensions", to_string(type));
  Shape shape = Shape::of(c.attrs.ints("shape"));
  for (const Dim& d : shape) LATHE_TRY(c.require(d.value() >= 0, "shape must not be negative"));
  LATHE_TRY(shape.evaluate({}).status());
  const Dims& values = c.attrs.dims("values");
  if (shape.elements() != static_cast<int64_t>(values.size())) {
    return invalid("{} values do not fill shape {}", values.size(), shape.to_string());
  }
  c.add(type, std::move(shape));
  c.add_contents(0, values);
  return {};
}

Status reference_dims(const RefArgs& args) {
  const Dims& values = args.op.attrs.dims("values");
  for (size_t k = 0; k < values.size(); ++k) {
    args.out[0].set_i64(static_cast<int64_t>(k), values[k].value());
  }
  return {};
}

Cost cost_dims(const OpInstance&) { return {}; }

}  // namespace

const OpDef& op_dims() {
  static constexpr AttrDef attrs[] = {
      {"values", AttrKind::Dims, "", "the elements, row-major"},
      {"shape", AttrKind::Ints, "", "the shape of y"},
      {"dtype", AttrKind::DType, "i64", "the element type of y"},
  };
  static constexpr OpDef def{
      .name = "Dims",
      .doc =
          "y = dimension expressions as a small tensor: what remains of a model's shape "
          "arithmetic (ONNX Shape, Gather, Concat, ...) once it is known in symbols.",
      .operands = "",
      .attrs = attrs,
      .flags = kHostOnly,
      .infer = infer_dims,
      .reference = reference_dims,
      .cost = cost_dims,
  };
  return def;
}

}  // namespace lathe
