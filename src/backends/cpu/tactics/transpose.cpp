// SPDX-License-Identifier: Apache-2.0
// transpose: a strided copy.

#include "backends/cpu/simd/copy_plan.h"

namespace lathe::cpu {
namespace {

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  const OpInstance& op = context.op;
  const std::vector<int64_t> from = operand_strides(op, 0);
  CopyPlan::Sides s{op.out[0].shape.sizes(), result_strides(op, 0), {}};
  s.bytes = bits(op.in[0].dtype) / 8;
  for (int64_t axis : op.attrs.ints("perm")) {
    s.from_strides.push_back(from[static_cast<size_t>(axis)]);
  }
  return std::unique_ptr<Prepared>(std::make_unique<PreparedCopies>(
      std::vector<PreparedCopies::Part>{{0, 0, CopyPlan(std::move(s))}}));
}

Support supports(const OpInstance& op, const DeviceInfo&) { return movable(op); }

}  // namespace

const Tactic& transpose() {
  static constexpr Tactic tactic{
      .name = "transpose",
      .op = "Transpose",
      .doc = "A strided copy; planes are transposed in registers.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
