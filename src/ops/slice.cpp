// SPDX-License-Identifier: Apache-2.0
// Slice: every step-th element along some axes, forwards or backwards, exact: nothing is clamped.
#include "ops/movement.h"

namespace lathe {
namespace {

constexpr AttrDef kSliceAttrs[] = {
    {"axes", AttrKind::Ints, "", "the axes that are cut, each once"},
    {"starts", AttrKind::Dims, "", "for each axis the first element taken, counted from 0"},
    {"sizes", AttrKind::Dims, "", "for each axis the number of elements taken"},
    {"steps", AttrKind::Ints, "", "for each axis the distance between elements taken, not 0"},
};

Status require_lists(const InferContext& ctx) {
  const size_t count = ctx.attrs.ints("axes").size();
  constexpr std::string_view kWhy = "one for each of axes";
  LATHE_TRY(require_entries("starts", ctx.attrs.dims("starts").size(), count, kWhy));
  LATHE_TRY(require_entries("sizes", ctx.attrs.dims("sizes").size(), count, kWhy));
  return require_entries("steps", ctx.attrs.ints("steps").size(), count, kWhy);
}

// The walk starts and ends inside [0, size). An empty walk may start one step outside.
Status require_inside(InferContext& ctx, size_t k, int axis, const Dim& size) {
  const Dim& start = ctx.attrs.dims("starts")[k];
  const Dim& taken = ctx.attrs.dims("sizes")[k];
  const int64_t step = ctx.attrs.ints("steps")[k];
  if (step == 0) return invalid("steps[{}] is 0", k);
  const Dim end = start + (taken - 1) * step;
  const auto what = fmt::format("start {}, size {}, step {} along axis {} of size {}",
                                start.to_string(), taken.to_string(), step, axis, size.to_string());
  LATHE_TRY(require_nonnegative(ctx, step > 0 ? start : end, what + ": the smallest index"));
  return require_nonnegative(ctx, size - 1 - (step > 0 ? end : start),
                             what + ": the distance of the largest index from the end");
}

// Everything is concrete and verified.
AffineIndex source_of_slice(std::span<const int64_t> sizes, std::span<const Dim> y,
                            const Attrs& attrs) {
  AffineIndex from{0, row_strides(sizes)};
  for (const Dim& d : y) {
    if (d.is(0)) return from;
  }
  const Ints& axes = attrs.ints("axes");
  for (size_t k = 0; k < axes.size(); ++k) {
    const auto axis =
        static_cast<size_t>(axes[k] < 0 ? axes[k] + static_cast<int64_t>(sizes.size()) : axes[k]);
    const int64_t stride = from.strides[axis];
    from.offset += attrs.dims("starts")[k].value() * stride;
    // A step beyond one element is never taken, and may be too large to multiply.
    from.strides[axis] = y[axis].is(1) ? 0 : stride * attrs.ints("steps")[k];
  }
  return from;
}

bool is_constant(const Dims& dims) {
  for (const Dim& d : dims) {
    if (!d.is_constant()) return false;
  }
  return true;
}

Status infer_slice(InferContext& ctx) {
  LATHE_TRY(require_lists(ctx));
  LATHE_TRY(require_sizes(ctx, "sizes"));
  const Shape& x = ctx.shape(0);
  Result<std::vector<int>> axes = normalize_axes(ctx.attrs.ints("axes"), x.rank());
  if (!axes.ok()) return std::move(axes).status().at("axes");
  Shape y = x;
  for (size_t k = 0; k < axes->size(); ++k) {
    const int axis = (*axes)[k];
    LATHE_TRY(require_inside(ctx, k, axis, x[axis]));
    y[axis] = ctx.attrs.dims("sizes")[k];
  }
  ctx.add(ctx.dtype(0), y);
  if (whole_contents(ctx, 0) && is_small(y) && is_constant(ctx.attrs.dims("starts"))) {
    move_contents(ctx, source_of_slice(x.sizes(), y.dims(), ctx.attrs));
  }
  return {};
}

Status reference_slice(const RefArgs& args) {
  return move_elements(args, source_of_slice(args.op.in[0].shape.sizes(),
                                             args.op.out[0].shape.dims(), args.op.attrs));
}

}  // namespace

const OpDef& op_slice() {
  static constexpr OpDef def{
      .name = "Slice",
      .doc =
          "y[..., i, ...] = x[..., starts[k] + i * steps[k], ...] along axes[k], 0 <= i < "
          "sizes[k]; other axes are whole.\n"
          "x: any type. Every element taken lies inside x; steps may be negative. ONNX Slice "
          "and Split, once their bounds are clamped.",
      .operands = "x",
      .attrs = kSliceAttrs,
      .infer = infer_slice,
      .reference = reference_slice,
      .cost = movement_cost,
  };
  return def;
}

}  // namespace lathe
