// SPDX-License-Identifier: Apache-2.0
// Transpose: dimensions in another order.
#include "ops/movement.h"

namespace lathe {
namespace {

constexpr AttrDef kTransposeAttrs[] = {
    {"perm", AttrKind::Ints, "", "for each dimension of y, the dimension of x that it is"},
};

// perm is verified and x is concrete.
AffineIndex source_of_transpose(std::span<const int64_t> sizes, const Ints& perm) {
  const std::vector<int64_t> strides = row_strides(sizes);
  AffineIndex from;
  for (int64_t axis : perm) from.strides.push_back(strides[static_cast<size_t>(axis)]);
  return from;
}

Status infer_transpose(InferContext& ctx) {
  const Shape& x = ctx.shape(0);
  const Ints& perm = ctx.attrs.ints("perm");
  LATHE_TRY(require_entries("perm", perm.size(), static_cast<size_t>(x.rank()),
                            "one for each dimension of x"));
  for (int64_t axis : perm) {
    if (axis < 0 || axis >= x.rank()) {
      return invalid("perm holds {}, expected 0 to {}", axis, x.rank() - 1);
    }
  }
  if (Result<std::vector<int>> axes = normalize_axes(perm, x.rank()); !axes.ok()) {
    return std::move(axes).status().at("perm");
  }
  Shape y;
  for (int64_t axis : perm) y.push_back(x[static_cast<int>(axis)]);
  ctx.add(ctx.dtype(0), y);
  if (whole_contents(ctx, 0)) move_contents(ctx, source_of_transpose(x.sizes(), perm));
  return {};
}

Status reference_transpose(const RefArgs& args) {
  return move_elements(
      args, source_of_transpose(args.op.in[0].shape.sizes(), args.op.attrs.ints("perm")));
}

}  // namespace

const OpDef& op_transpose() {
  static constexpr OpDef def{
      .name = "Transpose",
      .doc =
          "y[c0, c1, ...] = x[...] with x's coordinate perm[d] equal to c_d.\n"
          "x: any type; y's dimension d is x's dimension perm[d]. ONNX Transpose.",
      .operands = "x",
      .attrs = kTransposeAttrs,
      .infer = infer_transpose,
      .reference = reference_transpose,
      .cost = movement_cost,
  };
  return def;
}

}  // namespace lathe
