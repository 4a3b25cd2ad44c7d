// SPDX-License-Identifier: Apache-2.0
// ScatterND: slices updated at tuples of indices.
#include "ops/movement.h"
#include "ops/scatter.h"

namespace lathe {
namespace {

constexpr AttrDef kScatterNdAttrs[] = {kReductionAttr};

// How many coordinates of x a tuple chooses: the last dimension of indices.
Result<int> tuple_size(const Shape& x, const Shape& indices) {
  if (indices.rank() == 0) return invalid("indices have rank 0, expected at least 1");
  const Dim& tuple = indices[indices.rank() - 1];
  if (!tuple.is_constant()) {
    return invalid("the last dimension of indices is {}, expected a constant", tuple.to_string());
  }
  if (tuple.value() < 1 || tuple.value() > x.rank()) {
    return invalid("the last dimension of indices is {}, expected 1 to {}", tuple.value(),
                   x.rank());
  }
  return static_cast<int>(tuple.value());
}

Status infer_scatter_nd(InferContext& ctx) {
  const Shape& x = ctx.shape(0);
  const Shape& indices = ctx.shape(1);
  const Shape& updates = ctx.shape(2);
  LATHE_TRY(require_scatter_types(ctx));
  const int tuple = LATHE_TRY(tuple_size(x, indices));
  Shape expected;
  for (int d = 0; d + 1 < indices.rank(); ++d) expected.push_back(indices[d]);
  for (int d = tuple; d < x.rank(); ++d) expected.push_back(x[d]);
  if (updates.rank() != expected.rank()) {
    return invalid("updates have rank {}, expected {}", updates.rank(), expected.rank());
  }
  for (int d = 0; d < updates.rank(); ++d) {
    LATHE_TRY(ctx.require_equal(updates[d], expected[d],
                                fmt::format("dimension {} of updates and its size by x and "
                                            "indices",
                                            d)));
  }
  ctx.add(ctx.dtype(0), x);
  return {};
}

// Where in x the slice of each tuple begins.
Result<std::vector<int64_t>> slice_begins(const HostTensor& indices, const Shape& x, size_t tuple) {
  const std::vector<int64_t> sizes = x.sizes();
  const std::vector<int64_t> strides = row_strides(sizes);
  std::vector<int64_t> begins;
  for (int64_t at = 0; at < indices.elements();) {
    int64_t begin = 0;
    for (size_t d = 0; d < tuple; ++d, ++at) {
      const int64_t index = wrap_index(indices.get_i64(at), sizes[d]);
      if (index == kZeroElement) return index_error(indices, at, sizes[d]);
      begin += index * strides[d];
    }
    begins.push_back(begin);
  }
  return begins;
}

Status reference_scatter_nd(const RefArgs& args) {
  const Shape& x = args.op.in[0].shape;
  const int tuple = LATHE_TRY(tuple_size(x, args.op.in[1].shape));
  const std::vector<int64_t> begins =
      LATHE_TRY(slice_begins(args.in[1], x, static_cast<size_t>(tuple)));
  const int64_t slice = product(x.dims().subspan(static_cast<size_t>(tuple))).value();
  std::vector<int64_t> targets;
  for (int64_t begin : begins) {
    for (int64_t i = 0; i < slice; ++i) targets.push_back(begin + i);
  }
  return scatter(args, targets);
}

}  // namespace

const OpDef& op_scatter_nd() {
  static constexpr OpDef def{
      .name = "ScatterND",
      .doc =
          "y = x; then for each i of indices' leading dimensions in row-major order: "
          "y[indices[i..., :]..., s...] (reduction)= updates[i..., s...].\n"
          "x: any type (a number where there is a reduction); indices: i32 or i64, their last "
          "dimension (a constant) counts the coordinates chosen, negative ones count from the "
          "end; updates: x's type. ONNX ScatterND.",
      .operands = "x indices updates",
      .attrs = kScatterNdAttrs,
      .tolerance = {8, "sums and products depend on the order of the updates"},
      .infer = infer_scatter_nd,
      .reference = reference_scatter_nd,
      .cost = scatter_cost,
  };
  return def;
}

}  // namespace lathe
