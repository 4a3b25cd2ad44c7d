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
  static constexpr Tactic tactic{
      .name = "plugin",
      .op = "Custom",
      .doc = "A tactic that a plugin brings; its name and version are the config.",
      .supports = plugin_supports,
      .configs = plugin_configs,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
