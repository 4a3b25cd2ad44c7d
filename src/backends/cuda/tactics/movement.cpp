// SPDX-License-Identifier: Apache-2.0
// Movements whose source is an affine function of the coordinates, by strides: Transpose, Reorder,
// Expand, Slice, Reshape, Concat; with any epilogue.
#include "backends/cuda/elementwise.h"
#include "backends/cuda/kernel_text.h"
#include "ops/axes.h"

namespace lathe::cuda {
namespace {

Result<std::string> source(const OpInstance& op, const Config&, const DeviceInfo&) {
  return elementwise_source(LATHE_TRY(movement_of(op)));
}

Support supports(const OpInstance& op, const DeviceInfo&) { return check_movement(op); }

// y's elements are the dense x's in order.
Support supports_reshape(const OpInstance& op, const DeviceInfo&) {
  if (op.in[0].layout != Layout::RowMajor || op.out[0].layout != Layout::RowMajor) {
    return Support::no("a view of row-major elements only");
  }
  if (!op.fusion.in_slice.empty() && op.fusion.in_slice[0]) return Support::no("x is a slice");
  return check_movement(op);
}

// Loads y[c] = x[from.offset + sum of c[d] * from.strides[d]].
Result<std::unique_ptr<Prepared>> load_affine(const LoadContext& context, Walk::Place from) {
  const OpInstance& op = context.op;
  Walk walk{op.out[0].shape.sizes(), {std::move(from)}, {}};
  add_extras(op, walk);
  add_outputs(op, walk);
  return prepare_elementwise(context, LATHE_TRY(movement_of(op)), {std::move(walk)});
}

Result<std::unique_ptr<Prepared>> load_transpose(const LoadContext& context) {
  const std::vector<int64_t> own = operand_strides(context.op, 0);
  Walk::Place from;
  for (int64_t axis : context.op.attrs.ints("perm")) {
    from.strides.push_back(own[static_cast<size_t>(axis)]);
  }
  return load_affine(context, std::move(from));
}

Result<std::unique_ptr<Prepared>> load_reorder(const LoadContext& context) {
  return load_affine(context, {0, 0, operand_strides(context.op, 0)});
}

Result<std::unique_ptr<Prepared>> load_expand(const LoadContext& context) {
  const OpInstance& op = context.op;
  return load_affine(context,
                     {0, 0, broadcast_strides(op.in[0], operand_strides(op, 0), op.out[0].shape)});
}

Result<std::unique_ptr<Prepared>> load_slice(const LoadContext& context) {
  const OpInstance& op = context.op;
  Walk::Place from{0, 0, operand_strides(op, 0)};
  const Ints& axes = op.attrs.ints("axes");
  for (size_t k = 0; k < axes.size() && result_elements(op) > 0; ++k) {
    const int axis = LATHE_TRY(normalize_axis(axes[k], op.in[0].rank()));
    int64_t& stride = from.strides[static_cast<size_t>(axis)];
    from.offset += op.attrs.dims("starts")[k].value() * stride;
    // A step beyond one element is never taken, and may be too large to multiply.
    stride = op.out[0].shape[axis].is(1) ? 0 : stride * op.attrs.ints("steps")[k];
  }
  return load_affine(context, std::move(from));
}

Result<std::unique_ptr<Prepared>> load_reshape(const LoadContext& context) {
  return load_affine(context, {0, 0, strides({context.op.out[0].dtype, context.op.out[0].shape})});
}

// A walk for each operand, into its part of y.
Result<std::unique_ptr<Prepared>> load_concat(const LoadContext& context) {
  const OpInstance& op = context.op;
  const int axis = axis_of(op, op.in[0].rank());
  std::vector<Walk> walks;
  int64_t begin = 0;
  for (size_t k = 0; k < anchor_operands(op); ++k) {
    Walk walk{op.in[k].shape.sizes(), {{k, 0, operand_strides(op, static_cast<int>(k))}}, {}};
    add_extras(op, walk);
    add_outputs(op, walk);
    const auto along = static_cast<size_t>(axis);
    for (size_t e = 1; e < walk.in.size(); ++e)
      walk.in[e].offset = begin * walk.in[e].strides[along];
    for (Walk::Place& p : walk.out) p.offset = begin * p.strides[along];
    begin += op.in[k].shape[axis].value();
    walks.push_back(std::move(walk));
  }
  return prepare_elementwise(context, LATHE_TRY(movement_of(op)), std::move(walks));
}

constexpr Tactic movement(std::string_view name, std::string_view op,
                          Result<std::unique_ptr<Prepared>> (*load)(const LoadContext&)) {
  return {.name = name,
          .op = op,
          .doc = "By strides, any layout, any epilogue, one pass over memory.",
          .supports = supports,
          .source = source,
          .load = load};
}

}  // namespace

const Tactic& transpose_strided() {
  static constexpr Tactic tactic = movement("transpose_strided", "Transpose", load_transpose);
  return tactic;
}
const Tactic& reorder_strided() {
  static constexpr Tactic tactic = movement("reorder_strided", "Reorder", load_reorder);
  return tactic;
}
const Tactic& expand_strided() {
  static constexpr Tactic tactic = movement("expand_strided", "Expand", load_expand);
  return tactic;
}
const Tactic& slice_strided() {
  static constexpr Tactic tactic = movement("slice_strided", "Slice", load_slice);
  return tactic;
}
const Tactic& concat_strided() {
  static constexpr Tactic tactic = movement("concat_strided", "Concat", load_concat);
  return tactic;
}
const Tactic& reshape_copy() {
  static constexpr Tactic tactic{.name = "reshape_copy",
                                 .op = "Reshape",
                                 .doc = "A copy, where the result cannot be a view.",
                                 .supports = supports_reshape,
                                 .source = source,
                                 .load = load_reshape};
  return tactic;
}

}  // namespace lathe::cuda
