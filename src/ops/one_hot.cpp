// SPDX-License-Identifier: Apache-2.0
// OneHot: each index becomes a vector with one element on.
#include "ops/movement.h"

namespace lathe {
namespace {

constexpr AttrDef kOneHotAttrs[] = {
    {"axis", AttrKind::Int, "-1", "where y has its new axis"},
    {"depth", AttrKind::Dims, "", "one entry: the size of the new axis"},
};

Status infer_one_hot(InferContext& ctx) {
  const Shape& indices = ctx.shape(0);
  if (!is_int(ctx.dtype(0)) || !is_computable(ctx.dtype(0))) {
    return invalid("indices have type {}, expected an integer type", to_string(ctx.dtype(0)));
  }
  if (ctx.shape(1).rank() != 1) {
    return invalid("values have rank {}, expected 1", ctx.shape(1).rank());
  }
  LATHE_TRY(ctx.require_equal(ctx.shape(1)[0], 2, "elements of values"));
  const Dims& depth = ctx.attrs.dims("depth");
  LATHE_TRY(require_entries("depth", depth.size(), 1, "the size of the new axis"));
  LATHE_TRY(require_sizes(ctx, "depth"));
  const int axis = LATHE_TRY(axis_of(ctx.attrs, "axis", indices.rank() + 1));
  Shape y;
  for (int d = 0; d < axis; ++d) y.push_back(indices[d]);
  y.push_back(depth[0]);
  for (int d = axis; d < indices.rank(); ++d) y.push_back(indices[d]);
  ctx.add(ctx.dtype(1), y);
  return {};
}

Status reference_one_hot(const RefArgs& args) {
  const HostTensor& indices = args.in[0];
  const int rank = args.op.out[0].rank();
  const int axis = LATHE_TRY(axis_of(args.op.attrs, "axis", rank));
  const int64_t depth = args.op.out[0].shape[axis].value();
  // The new axis does not move in the indices.
  AffineIndex index_of{0, row_strides(indices.shape().sizes())};
  index_of.strides.insert(index_of.strides.begin() + axis, 0);
  ElementSink sink(args.out[0]);
  for_each(args.box, [&](const int64_t* c, int64_t at) {
    const bool on = wrap_index(indices.get_i64(index_of(c)), depth) == c[axis];
    sink.put(at, args.in[1], on ? 1 : 0);
  });
  sink.finish();
  return {};
}

}  // namespace

const OpDef& op_one_hot() {
  static constexpr OpDef def{
      .name = "OneHot",
      .doc =
          "y[a..., d, b...] = values[1] where indices[a..., b...] is d, else values[0]; d runs "
          "along the new axis.\n"
          "indices: any integer type; those in [-depth, 0) count from the end, those outside "
          "[-depth, depth) select nothing. values: two elements of any type, off and on; y has "
          "their type. ONNX OneHot.",
      .operands = "indices values",
      .attrs = kOneHotAttrs,
      .infer = infer_one_hot,
      .reference = reference_one_hot,
      .cost = movement_cost,
  };
  return def;
}

}  // namespace lathe
