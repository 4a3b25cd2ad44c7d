// SPDX-License-Identifier: Apache-2.0
// reshape: a copy where the plan could not make it a view.

#include "backends/cpu/simd/copy_plan.h"

namespace lathe::cpu {
namespace {

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  const OpInstance& op = context.op;
  CopyPlan::Sides s{{op.out[0].shape.elements()}, {1}, {1}};
  s.bytes = bits(op.in[0].dtype) / 8;
  return std::unique_ptr<Prepared>(std::make_unique<PreparedCopies>(
      std::vector<PreparedCopies::Part>{{0, 0, CopyPlan(std::move(s))}}));
}

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (op.fusion.sliced()) return Support::no("a slice is not dense");
  if (op.in[0].layout != Layout::RowMajor || op.out[0].layout != Layout::RowMajor) {
    return Support::no("row-major only");
  }
  return movable(op);
}

}  // namespace

const Tactic& reshape() {
  static constexpr Tactic tactic{
      .name = "reshape",
      .op = "Reshape",
      .doc = "One copy of dense row-major bytes.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
