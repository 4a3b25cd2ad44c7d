// SPDX-License-Identifier: Apache-2.0
// iota: what the shapes say is computed at load, a run copies it.
#include "backends/cpu/simd/constant_result.h"

namespace lathe::cpu {
namespace {

Support supports(const OpInstance& op, const DeviceInfo&) { return constant_support(op); }

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(std::make_unique<PreparedConstant>(context.op));
}

}  // namespace

const Tactic& iota() {
  static constexpr Tactic tactic{
      .name = "iota",
      .op = "Iota",
      .doc = "Computed once at load and copied.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
