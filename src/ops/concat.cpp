// SPDX-License-Identifier: Apache-2.0
// Concat: tensors one after another along an axis.
#include <algorithm>

#include "ops/movement.h"

namespace lathe {
namespace {

constexpr AttrDef kConcatAttrs[] = {
    {"axis", AttrKind::Int, "", "the axis along which the operands follow each other"},
};

// Where an element of y comes from: the operands' parts of the axis, all concrete.
class Parts {
 public:
  Parts(std::span<const TensorType> in, int axis) : axis_(static_cast<size_t>(axis)) {
    for (const TensorType& x : in) {
      begins_.push_back(begins_.empty() ? 0 : begins_.back() + last_size_);
      last_size_ = x.shape[axis].value();
      strides_.push_back(row_strides(x.shape.sizes()));
    }
  }
  size_t operand(const int64_t* c) const {
    // The last that begins at or before c; it is not empty, as c is inside y.
    return static_cast<size_t>(std::upper_bound(begins_.begin(), begins_.end(), c[axis_]) -
                               begins_.begin() - 1);
  }
  int64_t index(size_t operand, const int64_t* c) const {
    int64_t at = -begins_[operand] * strides_[operand][axis_];
    for (size_t d = 0; d < strides_[operand].size(); ++d) at += c[d] * strides_[operand][d];
    return at;
  }

 private:
  size_t axis_;
  int64_t last_size_ = 0;
  std::vector<int64_t> begins_;
  std::vector<std::vector<int64_t>> strides_;
};

void concat_contents(InferContext& ctx, int axis) {
  if (!is_small(ctx.out[0].shape)) return;
  std::vector<const Contents*> x;
  for (int k = 0; k < ctx.operands(); ++k) {
    x.push_back(whole_contents(ctx, k));
    if (x.back() == nullptr) return;
  }
  const Parts parts(ctx.in, axis);
  Contents y;
  for_each(Box::whole(ctx.out[0].shape), [&](const int64_t* c, int64_t) {
    const size_t k = parts.operand(c);
    y.push_back((*x[k])[static_cast<size_t>(parts.index(k, c))]);
  });
  ctx.add_contents(0, std::move(y));
}

// Operand k agrees with y so far except along axis, where it is appended.
Status append_operand(InferContext& ctx, int k, int axis, Shape& y) {
  const Shape& x = ctx.shape(k);
  LATHE_TRY(require_same_dtype(ctx, k, fmt::format("operand {}", k)));
  if (x.rank() != y.rank()) {
    return invalid("operand {} has rank {}, expected {} (the rank of operand 0)", k, x.rank(),
                   y.rank());
  }
  for (int d = 0; d < x.rank(); ++d) {
    if (d == axis) continue;
    LATHE_TRY(
        ctx.require_equal(y[d], x[d], fmt::format("dimension {} of operands 0 and {}", d, k)));
    if (x[d].is_constant()) y[d] = x[d];
  }
  y[axis] = y[axis] + x[axis];
  return require_nonnegative(ctx, y[axis], fmt::format("dimension {} of y", axis));
}

Status infer_concat(InferContext& ctx) {
  if (ctx.operands() == 0) return invalid("no operands, expected at least one");
  Shape y = ctx.shape(0);
  const int axis = LATHE_TRY(axis_of(ctx.attrs, "axis", y.rank()));
  for (int k = 1; k < ctx.operands(); ++k) LATHE_TRY(append_operand(ctx, k, axis, y));
  ctx.add(ctx.dtype(0), y);
  concat_contents(ctx, axis);
  return {};
}

Status reference_concat(const RefArgs& args) {
  const int axis = LATHE_TRY(axis_of(args.op.attrs, "axis", args.op.out[0].rank()));
  const Parts parts(args.op.in, axis);
  ElementSink sink(args.out[0]);
  for_each(args.box, [&](const int64_t* c, int64_t at) {
    const size_t k = parts.operand(c);
    sink.put(at, args.in[k], parts.index(k, c));
  });
  sink.finish();
  return {};
}

Cost cost_concat(const OpInstance& op) {
  Cost cost;
  if (op.out[0].dtype == DType::String) return cost;
  cost.bytes = 2.0 * static_cast<double>(bytes(op.out[0].dtype, op.out[0].shape.elements()));
  return cost;
}

}  // namespace

const OpDef& op_concat() {
  static constexpr OpDef def{
      .name = "Concat",
      .doc =
          "y = the operands one after another along `axis`.\n"
          "x...: one type, one rank, equal dimensions except along axis; y's is their sum. "
          "ONNX Concat.",
      .operands = "x...",
      .attrs = kConcatAttrs,
      .infer = infer_concat,
      .reference = reference_concat,
      .cost = cost_concat,
  };
  return def;
}

}  // namespace lathe
