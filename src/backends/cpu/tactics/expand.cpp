// SPDX-License-Identifier: Apache-2.0
// expand: a strided copy with stride 0 where x repeats.

#include "backends/cpu/simd/copy_plan.h"

namespace lathe::cpu {
namespace {

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  const OpInstance& op = context.op;
  CopyPlan::Sides s{op.out[0].shape.sizes(), result_strides(op, 0),
                    broadcast_strides(op.in[0].shape, operand_strides(op, 0), op.out[0].rank())};
  s.bytes = bits(op.in[0].dtype) / 8;
  return std::unique_ptr<Prepared>(std::make_unique<PreparedCopies>(
      std::vector<PreparedCopies::Part>{{0, 0, CopyPlan(std::move(s))}}));
}

Support supports(const OpInstance& op, const DeviceInfo&) { return movable(op); }

}  // namespace

const Tactic& expand() {
  static constexpr Tactic tactic{
      .name = "expand",
      .op = "Expand",
      .doc = "A strided copy that repeats.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
