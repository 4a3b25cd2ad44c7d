// SPDX-License-Identifier: Apache-2.0
// Tile: a tensor repeated along each axis.
#include "ops/movement.h"

namespace lathe {
namespace {

constexpr AttrDef kTileAttrs[] = {
    {"repeats", AttrKind::Dims, "", "how often x stands along each axis, zero or more"},
};

auto source_of_tile(std::vector<int64_t> sizes) {
  return [sizes = std::move(sizes)](const int64_t* c) {
    int64_t at = 0;
    for (size_t d = 0; d < sizes.size(); ++d) at = at * sizes[d] + c[d] % sizes[d];
    return at;
  };
}

Status infer_tile(InferContext& ctx) {
  const Shape& x = ctx.shape(0);
  const Dims& repeats = ctx.attrs.dims("repeats");
  LATHE_TRY(require_entries("repeats", repeats.size(), static_cast<size_t>(x.rank()),
                            "one for each dimension of x"));
  LATHE_TRY(require_sizes(ctx, "repeats"));
  Shape y;
  for (int d = 0; d < x.rank(); ++d) {
    y.push_back(x[d] * repeats[static_cast<size_t>(d)]);
    LATHE_TRY(require_nonnegative(ctx, y[d], fmt::format("dimension {} of y", d)));
  }
  ctx.add(ctx.dtype(0), y);
  if (whole_contents(ctx, 0)) move_contents(ctx, source_of_tile(x.sizes()));
  return {};
}

Status reference_tile(const RefArgs& args) {
  return move_elements(args, source_of_tile(args.op.in[0].shape.sizes()));
}

}  // namespace

const OpDef& op_tile() {
  static constexpr OpDef def{
      .name = "Tile",
      .doc =
          "y[c0, c1, ...] = x[c0 mod d0, c1 mod d1, ...], d being x's sizes.\n"
          "x: any type; y's dimension d is x's times repeats[d]. ONNX Tile.",
      .operands = "x",
      .attrs = kTileAttrs,
      .infer = infer_tile,
      .reference = reference_tile,
      .cost = movement_cost,
  };
  return def;
}

}  // namespace lathe
