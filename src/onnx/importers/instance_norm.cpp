// SPDX-License-Identifier: Apache-2.0
// InstanceNormalization and GroupNormalization: normalize the elements of a channel or of a group
// of channels, then scale and shift each channel.
#include "onnx/import_axes.h"

namespace lathe {
namespace {

Dims spread(const Dim& size, int rank) {
  Dims shape(static_cast<size_t>(rank - 1), 1);
  shape[0] = size;
  return shape;
}

Result<Value*> normalize(NodeImport& n, Value* x, int first_axis) {
  Ints axes = all_axes(x->type.rank());
  axes.erase(axes.begin(), axes.begin() + first_axis);
  Attrs attrs;
  attrs.set("axes", axes).set("epsilon", n.f("epsilon", 1e-5)).set("kind", std::string("layer"));
  return n.add("Normalize", {x}, std::move(attrs));
}

// [N, G, C/G, s...] and scale and bias shaped to it or to [N, C, s...].
Status group_norm(NodeImport& n, Value* x, Value* scale, Value* bias) {
  const int64_t groups = n.i("num_groups", 0);
  const Shape& shape = x->type.shape;
  if (groups < 1) return invalid("num_groups is {}", groups);
  const std::optional<Dim> each = shape[1].exact_div(groups);
  if (!each || (shape[1].is_constant() && shape[1].value() % groups != 0)) {
    return invalid("{} channels in {} groups", shape[1].to_string(), groups);
  }
  Dims grouped{shape[0], groups, *each};
  for (int d = 2; d < shape.rank(); ++d) grouped.push_back(shape[d]);
  Value* y = LATHE_TRY(normalize(n, LATHE_TRY(n.reshape(x, grouped)), 2));
  const bool per_group = n.opset() < 21;
  if (!per_group) y = LATHE_TRY(n.reshape(y, dims_list(shape)));
  const int rank = per_group ? shape.rank() + 1 : shape.rank();
  const Dims affine = spread(per_group ? Dim(groups) : shape[1], rank);
  scale = LATHE_TRY(n.reshape(scale, affine));
  bias = LATHE_TRY(n.reshape(bias, affine));
  y = LATHE_TRY(n.pointwise("add(mul(%0, %1), %2)", {y, scale, bias}));
  return n.result(LATHE_TRY(n.reshape(y, dims_list(shape))));
}

}  // namespace

Status import_instance_norm(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "input"));
  Value* scale = LATHE_TRY(n.need(1, "scale"));
  Value* bias = LATHE_TRY(n.need(2, "B"));
  n.without_effect({"stash_type"});  // statistics are never narrower than F32
  if (x->type.rank() < 3)
    return invalid("the input {} has no spatial dimension", x->type.to_string());
  if (n.type() == "GroupNormalization") return group_norm(n, x, scale, bias);
  Value* y = LATHE_TRY(normalize(n, x, 2));
  const Dims affine = spread(x->type.shape[1], x->type.rank());
  scale = LATHE_TRY(n.reshape(scale, affine));
  bias = LATHE_TRY(n.reshape(bias, affine));
  return n.result(LATHE_TRY(n.pointwise("add(mul(%0, %1), %2)", {y, scale, bias})));
}

}  // namespace lathe
