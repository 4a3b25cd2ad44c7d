// SPDX-License-Identifier: Apache-2.0
// Gather: slices of a tensor along one axis, chosen by indices.
#include "ops/movement.h"

namespace lathe {
namespace {

constexpr AttrDef kGatherAttrs[] = {
    {"axis", AttrKind::Int, "0", "the axis of x that the indices choose along"},
};

// y's dimensions are x's before the axis, those of the indices, x's behind the axis. Concrete.
class Source {
 public:
  Source(const Shape& x, const Shape& indices, int axis)
      : size_(x[axis].value()),
        axis_(static_cast<size_t>(axis)),
        rank_(static_cast<size_t>(indices.rank())),
        x_(row_strides(x.sizes())),
        indices_(row_strides(indices.sizes())) {}
  int64_t size() const { return size_; }
  // Which index decides where element c of y comes from.
  int64_t index_of(const int64_t* c) const {
    int64_t at = 0;
    for (size_t d = 0; d < rank_; ++d) at += c[axis_ + d] * indices_[d];
    return at;
  }
  int64_t element(const int64_t* c, int64_t index) const {
    int64_t at = index * x_[axis_];
    for (size_t d = 0; d < axis_; ++d) at += c[d] * x_[d];
    for (size_t d = axis_ + 1; d < x_.size(); ++d) at += c[d + rank_ - 1] * x_[d];
    return at;
  }

 private:
  int64_t size_;
  size_t axis_, rank_;
  std::vector<int64_t> x_, indices_;
};

Status gather_contents(InferContext& ctx, int axis) {
  const Contents* x = whole_contents(ctx, 0);
  const Contents* indices = whole_contents(ctx, 1);
  if (x == nullptr || indices == nullptr || !is_small(ctx.out[0].shape)) return {};
  for (const Dim& i : *indices) {
    if (!i.is_constant()) return {};
  }
  const Source source(ctx.shape(0), ctx.shape(1), axis);
  Contents y;
  Status failure;
  for_each(Box::whole(ctx.out[0].shape), [&](const int64_t* c, int64_t) {
    const int64_t given = (*indices)[static_cast<size_t>(source.index_of(c))].value();
    const int64_t index = wrap_index(given, source.size());
    if (index == kZeroElement) {
      failure = invalid("index {} is out of range for dimension {} of size {}", given, axis,
                        source.size());
    } else {
      y.push_back((*x)[static_cast<size_t>(source.element(c, index))]);
    }
  });
  if (!failure.ok()) return failure;
  ctx.add_contents(0, std::move(y));
  return {};
}

Status infer_gather(InferContext& ctx) {
  const Shape& x = ctx.shape(0);
  LATHE_TRY(require_index(ctx, 1, "indices"));
  const int axis = LATHE_TRY(axis_of(ctx.attrs, "axis", x.rank()));
  Shape y;
  for (int d = 0; d < axis; ++d) y.push_back(x[d]);
  for (const Dim& d : ctx.shape(1)) y.push_back(d);
  for (int d = axis + 1; d < x.rank(); ++d) y.push_back(x[d]);
  ctx.add(ctx.dtype(0), y);
  return gather_contents(ctx, axis);
}

Status reference_gather(const RefArgs& args) {
  const int axis = LATHE_TRY(axis_of(args.op.attrs, "axis", args.op.in[0].rank()));
  const Source source(args.op.in[0].shape, args.op.in[1].shape, axis);
  const HostTensor& indices = args.in[1];
  Status failure;
  LATHE_TRY(move_elements(args, [&](const int64_t* c) {
    const int64_t at = source.index_of(c);
    const int64_t index = wrap_index(indices.get_i64(at), source.size());
    if (index == kZeroElement) {
      if (failure.ok()) failure = index_error(indices, at, source.size());
      return kZeroElement;
    }
    return source.element(c, index);
  }));
  return failure;
}

}  // namespace

const OpDef& op_gather() {
  static constexpr OpDef def{
      .name = "Gather",
      .doc =
          "y[a..., i..., b...] = x[a..., indices[i...], b...], the chosen coordinate being "
          "`axis` of x.\n"
          "x: any type, rank 1 or more; indices: i32 or i64 of any shape, negative ones count "
          "from the end. ONNX Gather.",
      .operands = "x indices",
      .attrs = kGatherAttrs,
      .infer = infer_gather,
      .reference = reference_gather,
      .cost = movement_cost,
  };
  return def;
}

}  // namespace lathe
