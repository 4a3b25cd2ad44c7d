// SPDX-License-Identifier: Apache-2.0
// GatherElements: one index for each element of the result.
#include "ops/movement.h"

namespace lathe {
namespace {

constexpr AttrDef kGatherElementsAttrs[] = {
    {"axis", AttrKind::Int, "0", "the axis of x that the indices choose along"},
};

Status infer_gather_elements(InferContext& ctx) {
  const Shape& x = ctx.shape(0);
  const Shape& indices = ctx.shape(1);
  LATHE_TRY(require_index(ctx, 1, "indices"));
  const int axis = LATHE_TRY(axis_of(ctx.attrs, "axis", x.rank()));
  if (indices.rank() != x.rank()) {
    return invalid("indices have rank {}, expected {} (the rank of x)", indices.rank(), x.rank());
  }
  for (int d = 0; d < x.rank(); ++d) {
    if (d == axis) continue;
    const auto what = fmt::format("dimension {} of x less that of indices", d);
    LATHE_TRY(require_nonnegative(ctx, x[d] - indices[d], what));
  }
  ctx.add(ctx.dtype(0), indices);
  return {};
}

Status reference_gather_elements(const RefArgs& args) {
  const std::vector<int64_t> sizes = args.op.in[0].shape.sizes();
  const int rank = static_cast<int>(sizes.size());
  const auto axis = static_cast<size_t>(LATHE_TRY(axis_of(args.op.attrs, "axis", rank)));
  const HostTensor& indices = args.in[1];
  const AffineIndex index_of{0, row_strides(indices.shape().sizes())};
  const AffineIndex from{0, row_strides(sizes)};
  Status failure;
  LATHE_TRY(move_elements(args, [&](const int64_t* c) {
    const int64_t at = index_of(c);
    const int64_t index = wrap_index(indices.get_i64(at), sizes[axis]);
    if (index == kZeroElement) {
      if (failure.ok()) failure = index_error(indices, at, sizes[axis]);
      return kZeroElement;
    }
    return from(c) + (index - c[axis]) * from.strides[axis];
  }));
  return failure;
}

}  // namespace

const OpDef& op_gather_elements() {
  static constexpr OpDef def{
      .name = "GatherElements",
      .doc =
          "y[c] = x[c with coordinate `axis` replaced by indices[c]].\n"
          "x: any type; indices: i32 or i64, x's rank, no larger than x except along axis, "
          "negative ones count from the end; y has their shape. ONNX GatherElements.",
      .operands = "x indices",
      .attrs = kGatherElementsAttrs,
      .infer = infer_gather_elements,
      .reference = reference_gather_elements,
      .cost = movement_cost,
  };
  return def;
}

}  // namespace lathe
