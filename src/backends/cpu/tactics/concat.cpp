// SPDX-License-Identifier: Apache-2.0
// concat: a strided copy of each operand into its part of the result.

#include "backends/cpu/simd/copy_plan.h"
#include "ops/axes.h"

namespace lathe::cpu {
namespace {

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  const OpInstance& op = context.op;
  const int axis = axis_of(op, op.out[0].rank());
  std::vector<PreparedCopies::Part> parts;
  int64_t start = 0;
  for (int k = 0; k < static_cast<int>(op.in.size()); ++k) {
    const Shape& shape = op.in[static_cast<size_t>(k)].shape;
    CopyPlan::Sides s{shape.sizes(), result_strides(op, 0), operand_strides(op, k)};
    s.bytes = bits(op.out[0].dtype) / 8;
    s.to_offset = start * s.to_strides[static_cast<size_t>(axis)];
    start += shape[axis].value();
    parts.push_back({k, 0, CopyPlan(std::move(s))});
  }
  return std::unique_ptr<Prepared>(std::make_unique<PreparedCopies>(std::move(parts)));
}

Support supports(const OpInstance& op, const DeviceInfo&) { return movable(op); }

}  // namespace

const Tactic& concat() {
  static constexpr Tactic tactic{
      .name = "concat",
      .op = "Concat",
      .doc = "A strided copy of each operand.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
