// SPDX-License-Identifier: Apache-2.0
// plugin: the CPU tactics of a plugin's operator, on host memory.
#include "device/plugin_tactic.h"

namespace lathe::cpu {
namespace {

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(LATHE_TRY(PreparedPlugin::make(context)));
}

}  // namespace

const Tactic& plugin() {
  static constexpr Tactic tactic = plugin_tactic(load);
  return tactic;
}

}  // namespace lathe::cpu
