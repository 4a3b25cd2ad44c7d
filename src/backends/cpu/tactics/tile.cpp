// SPDX-License-Identifier: Apache-2.0
// tile: a strided copy, each axis split into repeats and what is repeated.

#include "backends/cpu/simd/copy_plan.h"

namespace lathe::cpu {
namespace {

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  const OpInstance& op = context.op;
  const std::vector<int64_t> to = result_strides(op, 0), from = operand_strides(op, 0);
  CopyPlan::Sides s;
  s.bytes = bits(op.in[0].dtype) / 8;
  for (size_t d = 0; d < to.size(); ++d) {
    const int64_t size = op.in[0].shape[static_cast<int>(d)].value();
    s.sizes.insert(s.sizes.end(), {op.attrs.dims("repeats")[d].value(), size});
    s.to_strides.insert(s.to_strides.end(), {size * to[d], to[d]});
    s.from_strides.insert(s.from_strides.end(), {0, from[d]});
  }
  return std::unique_ptr<Prepared>(std::make_unique<PreparedCopies>(
      std::vector<PreparedCopies::Part>{{0, 0, CopyPlan(std::move(s))}}));
}

Support supports(const OpInstance& op, const DeviceInfo&) { return movable(op); }

}  // namespace

const Tactic& tile() {
  static constexpr Tactic tactic{
      .name = "tile",
      .op = "Tile",
      .doc = "A strided copy that repeats.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
