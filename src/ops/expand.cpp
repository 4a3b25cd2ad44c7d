// SPDX-License-Identifier: Apache-2.0
// Expand: dimensions of size 1 repeated to a given shape.
#include "ops/movement.h"

namespace lathe {
namespace {

constexpr AttrDef kExpandAttrs[] = {
    {"shape", AttrKind::Dims, "", "the whole result's shape"},
};

// Both shapes are concrete; a dimension that x lacks or has once does not move in x.
AffineIndex source_of_expand(std::span<const int64_t> x, size_t rank) {
  const std::vector<int64_t> strides = row_strides(x);
  AffineIndex from;
  from.strides.resize(rank);
  for (size_t d = 0; d < x.size(); ++d) {
    from.strides[rank - x.size() + d] = x[d] == 1 ? 0 : strides[d];
  }
  return from;
}

Status infer_expand(InferContext& ctx) {
  LATHE_TRY(require_sizes(ctx, "shape"));
  const Shape& x = ctx.shape(0);
  const Shape y(ctx.attrs.dims("shape"));
  if (y.rank() < x.rank()) {
    return invalid("shape has {} entries, expected at least {} (the rank of x)", y.rank(),
                   x.rank());
  }
  for (int d = 0; d < x.rank(); ++d) {
    const int axis = y.rank() - x.rank() + d;
    if (x[d].is(1) || x[d] == y[axis]) continue;
    // x[d] is 1 or y[axis]  <->  broadcast(x[d], y[axis]) == y[axis]
    LATHE_TRY(ctx.require_equal(Dim::broadcast(x[d], y[axis]), y[axis],
                                fmt::format("dimension {} of x and shape[{}]", d, axis)));
  }
  ctx.add(ctx.dtype(0), y);
  if (whole_contents(ctx, 0)) {
    move_contents(ctx, source_of_expand(x.sizes(), static_cast<size_t>(y.rank())));
  }
  return {};
}

Status reference_expand(const RefArgs& args) {
  return move_elements(args, source_of_expand(args.op.in[0].shape.sizes(), args.box.begin.size()));
}

}  // namespace

const OpDef& op_expand() {
  static constexpr OpDef def{
      .name = "Expand",
      .doc =
          "y = x broadcast to `shape` as NumPy does: shapes are aligned at their ends, a "
          "dimension of x is 1 or that of `shape`.\n"
          "x: any type. ONNX Expand, once the two shapes are merged.",
      .operands = "x",
      .attrs = kExpandAttrs,
      .infer = infer_expand,
      .reference = reference_expand,
      .cost = movement_cost,
  };
  return def;
}

}  // namespace lathe
