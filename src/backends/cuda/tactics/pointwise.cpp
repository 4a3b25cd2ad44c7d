// SPDX-License-Identifier: Apache-2.0
// pointwise: any expression with broadcasting, in one pass over memory; the kernel is generated
// from the expression.
#include "backends/cuda/elementwise.h"
#include "backends/cuda/kernel_text.h"

namespace lathe::cuda {
namespace {

Elementwise expression_of(const OpInstance& op) {
  Elementwise e{op.attrs.expr("expr"), {}, {}};
  for (const TensorType& t : op.in) e.in.push_back(t.dtype);
  for (const TensorType& t : op.out) e.out.push_back(t.dtype);
  return e;
}

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (!op.fusion.empty()) return Support::no("an expression is merged, not fused around");
  return check_generated(op, false);
}

Result<std::string> source(const OpInstance& op, const Config&, const DeviceInfo&) {
  return elementwise_source(expression_of(op));
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  const OpInstance& op = context.op;
  Walk walk{op.out[0].shape.sizes(), {}, {}};
  for (size_t k = 0; k < op.in.size(); ++k) {
    const std::vector<int64_t> own = operand_strides(op, static_cast<int>(k));
    walk.in.push_back({k, 0, broadcast_strides(op.in[k], own, op.out[0].shape)});
  }
  add_outputs(op, walk);
  return prepare_elementwise(context, expression_of(op), {std::move(walk)});
}

// A thread reads every operand at its elements before it writes there.
bool may_alias(const OpInstance& op, int in, int out) {
  const TensorType& x = op.in[static_cast<size_t>(in)];
  const TensorType& y = op.out[static_cast<size_t>(out)];
  return x.shape == y.shape && x.layout == y.layout && bits(x.dtype) == bits(y.dtype) &&
         !op.fusion.sliced();
}

}  // namespace

const Tactic& pointwise() {
  static constexpr Tactic tactic{
      .name = "pointwise",
      .op = "Pointwise",
      .doc = "Any expression with broadcasting, generated, one pass over memory.",
      .supports = supports,
      .source = source,
      .load = load,
      .may_alias = may_alias,
      .any_layout = true,
  };
  return tactic;
}

}  // namespace lathe::cuda
