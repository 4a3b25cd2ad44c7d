// SPDX-License-Identifier: Apache-2.0
// Reshape: the same elements in row-major order under another shape. A view, it never copies.
#include "ops/movement.h"

namespace lathe {
namespace {

constexpr AttrDef kReshapeAttrs[] = {
    {"shape", AttrKind::Dims, "", "the result's shape, every dimension given"},
};

Status infer_reshape(InferContext& ctx) {
  LATHE_TRY(require_sizes(ctx, "shape"));
  const Shape shape(ctx.attrs.dims("shape"));
  LATHE_TRY(ctx.require_equal(ctx.shape(0).count(), shape.count(), "elements of x and of shape"));
  ctx.add(ctx.dtype(0), shape);
  if (const Contents* x = whole_contents(ctx, 0)) ctx.add_contents(0, *x);
  return {};
}

Status reference_reshape(const RefArgs& args) {
  return move_elements(args, AffineIndex{0, row_strides(args.op.out[0].shape.sizes())});
}

Cost cost_reshape(const OpInstance&) { return {}; }

}  // namespace

const OpDef& op_reshape() {
  static constexpr OpDef def{
      .name = "Reshape",
      .doc =
          "y holds x's elements in row-major order under `shape`, which has as many.\n"
          "x: any type and shape. ONNX Reshape, Flatten, Squeeze, Unsqueeze (their 0 and -1 are "
          "resolved by the importers).",
      .operands = "x",
      .attrs = kReshapeAttrs,
      .flags = kBoxes | kView,
      .infer = infer_reshape,
      .reference = reference_reshape,
      .cost = cost_reshape,
  };
  return def;
}

}  // namespace lathe
