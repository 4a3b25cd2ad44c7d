// SPDX-License-Identifier: Apache-2.0
// slice: a strided copy, backwards where a step is negative.

#include "backends/cpu/simd/copy_plan.h"

namespace lathe::cpu {
namespace {

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  const OpInstance& op = context.op;
  CopyPlan::Sides s{op.out[0].shape.sizes(), result_strides(op, 0), operand_strides(op, 0)};
  s.bytes = bits(op.in[0].dtype) / 8;
  const Ints& axes = op.attrs.ints("axes");
  for (size_t k = 0; k < axes.size(); ++k) {
    const auto d = static_cast<size_t>(axes[k] < 0 ? axes[k] + op.in[0].rank() : axes[k]);
    s.from_offset += op.attrs.dims("starts")[k].value() * s.from_strides[d];
    s.from_strides[d] *= op.attrs.ints("steps")[k];
  }
  return std::unique_ptr<Prepared>(std::make_unique<PreparedCopies>(
      std::vector<PreparedCopies::Part>{{0, 0, CopyPlan(std::move(s))}}));
}

Support supports(const OpInstance& op, const DeviceInfo&) { return movable(op); }

}  // namespace

const Tactic& slice() {
  static constexpr Tactic tactic{
      .name = "slice",
      .op = "Slice",
      .doc = "A strided copy.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
