// SPDX-License-Identifier: Apache-2.0
// ScatterElements: one index for each update.
#include "ops/movement.h"
#include "ops/scatter.h"

namespace lathe {
namespace {

constexpr AttrDef kScatterElementsAttrs[] = {
    {"axis", AttrKind::Int, "0", "the axis of x that the indices choose along"},
    kReductionAttr,
};

Status infer_scatter_elements(InferContext& ctx) {
  const Shape& x = ctx.shape(0);
  const Shape& indices = ctx.shape(1);
  const Shape& updates = ctx.shape(2);
  LATHE_TRY(require_scatter_types(ctx));
  const int axis = LATHE_TRY(axis_of(ctx.attrs, "axis", x.rank()));
  if (indices.rank() != x.rank() || updates.rank() != x.rank()) {
    return invalid("indices and updates have ranks {} and {}, expected {} (the rank of x)",
                   indices.rank(), updates.rank(), x.rank());
  }
  for (int d = 0; d < x.rank(); ++d) {
    LATHE_TRY(ctx.require_equal(indices[d], updates[d],
                                fmt::format("dimension {} of indices and updates", d)));
    if (d == axis) continue;
    const auto what = fmt::format("dimension {} of x less that of indices", d);
    LATHE_TRY(require_nonnegative(ctx, x[d] - indices[d], what));
  }
  ctx.add(ctx.dtype(0), x);
  return {};
}

Status reference_scatter_elements(const RefArgs& args) {
  const HostTensor& indices = args.in[1];
  const std::vector<int64_t> sizes = args.op.in[0].shape.sizes();
  const int rank = static_cast<int>(sizes.size());
  const auto axis = static_cast<size_t>(LATHE_TRY(axis_of(args.op.attrs, "axis", rank)));
  const AffineIndex to{0, row_strides(sizes)};
  std::vector<int64_t> targets;
  Status failure;
  for_each(Box::whole(indices.shape()), [&](const int64_t* c, int64_t at) {
    const int64_t index = wrap_index(indices.get_i64(at), sizes[axis]);
    if (index == kZeroElement) {
      if (failure.ok()) failure = index_error(indices, at, sizes[axis]);
      return;
    }
    targets.push_back(to(c) + (index - c[axis]) * to.strides[axis]);
  });
  return failure.ok() ? scatter(args, targets) : failure;
}

}  // namespace

const OpDef& op_scatter_elements() {
  static constexpr OpDef def{
      .name = "ScatterElements",
      .doc =
          "y = x; then for each c of updates in row-major order: y[c with coordinate `axis` "
          "replaced by indices[c]] (reduction)= updates[c].\n"
          "x: any type (a number where there is a reduction); indices: i32 or i64, negative "
          "ones count from the end; updates: x's type and the indices' shape, which is no "
          "larger than x except along axis. ONNX ScatterElements, Scatter.",
      .operands = "x indices updates",
      .attrs = kScatterElementsAttrs,
      .tolerance = {8, "sums and products depend on the order of the updates"},
      .infer = infer_scatter_elements,
      .reference = reference_scatter_elements,
      .cost = scatter_cost,
  };
  return def;
}

}  // namespace lathe
