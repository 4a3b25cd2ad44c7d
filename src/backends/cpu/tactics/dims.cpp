// SPDX-License-Identifier: Apache-2.0
// dims: what the shapes say is computed at load, a run copies it.
#include "backends/cpu/simd/constant_result.h"

namespace lathe::cpu {
namespace {

Support supports(const OpInstance& op, const DeviceInfo&) { return constant_support(op); }

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(std::make_unique<PreparedConstant>(context.op));
}

}  // namespace

const Tactic& dims() {
  static constexpr Tactic tactic{
      .name = "dims",
      .op = "Dims",
      .doc = "Computed once at load and copied.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
