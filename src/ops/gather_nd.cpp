// SPDX-License-Identifier: Apache-2.0
// GatherND: slices of a tensor, chosen by tuples of indices.
#include <algorithm>

#include "ops/movement.h"

namespace lathe {
namespace {

constexpr AttrDef kGatherNdAttrs[] = {
    {"batch_dims", AttrKind::Int, "0", "leading dimensions that x and indices share"},
};

Status check_ranks(const Shape& x, const Shape& indices, int64_t batch) {
  if (indices.rank() == 0) return invalid("indices have rank 0, expected at least 1");
  const int limit = std::min(x.rank(), indices.rank());
  if (batch < 0 || batch >= limit) {
    return invalid("batch_dims is {}, expected 0 to {}", batch, limit - 1);
  }
  const Dim& tuple = indices[indices.rank() - 1];
  if (!tuple.is_constant()) {
    return invalid("the last dimension of indices is {}, expected a constant", tuple.to_string());
  }
  if (tuple.value() < 1 || tuple.value() > x.rank() - batch) {
    return invalid("the last dimension of indices is {}, expected 1 to {}", tuple.value(),
                   x.rank() - batch);
  }
  return {};
}

Status infer_gather_nd(InferContext& ctx) {
  const Shape& x = ctx.shape(0);
  const Shape& indices = ctx.shape(1);
  LATHE_TRY(require_index(ctx, 1, "indices"));
  LATHE_TRY(check_ranks(x, indices, ctx.attrs.i("batch_dims")));
  const auto batch = static_cast<int>(ctx.attrs.i("batch_dims"));
  const int last = indices.rank() - 1;
  Shape y;
  for (int d = 0; d < last; ++d) y.push_back(indices[d]);
  for (int d = 0; d < batch; ++d) {
    LATHE_TRY(
        ctx.require_equal(x[d], indices[d], fmt::format("batch dimension {} of x and indices", d)));
  }
  const int chosen = batch + static_cast<int>(indices[last].value());
  for (int d = chosen; d < x.rank(); ++d) y.push_back(x[d]);
  ctx.add(ctx.dtype(0), y);
  return {};
}

// y's coordinates: those of the tuple (the batch's first), then x's behind the chosen ones.
Status reference_gather_nd(const RefArgs& args) {
  const HostTensor& indices = args.in[1];
  const std::vector<int64_t> sizes = args.op.in[0].shape.sizes();
  const std::vector<int64_t> strides = row_strides(sizes);
  const std::vector<int64_t> rows = row_strides(indices.shape().sizes());
  const auto batch = static_cast<size_t>(args.op.attrs.i("batch_dims"));
  const size_t last = rows.size() - 1;
  const auto chosen = batch + static_cast<size_t>(indices.shape().sizes()[last]);
  Status failure;
  LATHE_TRY(move_elements(args, [&](const int64_t* c) {
    int64_t tuple = 0;
    for (size_t d = 0; d < last; ++d) tuple += c[d] * rows[d];
    int64_t from = 0;
    for (size_t d = 0; d < batch; ++d) from += c[d] * strides[d];
    for (size_t d = batch; d < chosen; ++d, ++tuple) {
      const int64_t index = wrap_index(indices.get_i64(tuple), sizes[d]);
      if (index == kZeroElement) {
        if (failure.ok()) failure = index_error(indices, tuple, sizes[d]);
        return kZeroElement;
      }
      from += index * strides[d];
    }
    for (size_t d = chosen; d < sizes.size(); ++d) from += c[last + d - chosen] * strides[d];
    return from;
  }));
  return failure;
}

}  // namespace

const OpDef& op_gather_nd() {
  static constexpr OpDef def{
      .name = "GatherND",
      .doc =
          "y[b..., i..., s...] = x[b..., indices[b..., i..., :]..., s...], b being batch_dims "
          "coordinates.\n"
          "x: any type; indices: i32 or i64, their last dimension (a constant) counts the "
          "coordinates chosen, negative ones count from the end. ONNX GatherND.",
      .operands = "x indices",
      .attrs = kGatherNdAttrs,
      .infer = infer_gather_nd,
      .reference = reference_gather_nd,
      .cost = movement_cost,
  };
  return def;
}

}  // namespace lathe
