// SPDX-License-Identifier: Apache-2.0
#pragma once
// The tactics that plugins bring, as one tactic of each backend: a plugin's tactic is a config of
// it ("vectorized@2": name and version), so that they are checked and timed like all others.
#include "device/tactic.h"
#include "ops/plugin_problem.h"

namespace lathe {

// Of a Custom instance: whether its plugin has a tactic for this kind of device at all, the ones
// that accept the instance, and the one that a config names, ready to launch.
Support plugin_supports(const OpInstance& op, const DeviceInfo& device);
std::vector<Config> plugin_configs(const OpInstance& op, const DeviceInfo& device);

// What its tactics for this kind of device take; row-major alone where no plugin brings it.
struct PluginFormats {
  bool row_major = true, channels_last = false;
};
PluginFormats plugin_formats(const OpInstance& op, const DeviceInfo& device);

class PreparedPlugin : public Prepared {
 public:
  // Calls the plugin's prepare.
  PreparedPlugin(const OpInstance& op, const LatheTactic& tactic, PluginProblem problem)
      : owner_(op.plugin), tactic_(tactic), problem_(std::move(problem)) {}
  ~PreparedPlugin() override;
  static Result<std::unique_ptr<PreparedPlugin>> make(const LoadContext& context);
  // On the CPU; a GPU makes its context current first.
  Status launch(const Buffers& at, Stream& stream) const override;

 private:
  std::shared_ptr<const PluginOperator> owner_;
  const LatheTactic& tactic_;
  PluginProblem problem_;
  void* state_ = nullptr;
};

// A backend's tactic `plugin`, which `load` makes ready there.
constexpr Tactic plugin_tactic(decltype(Tactic::load) load) {
  return {
      .name = "plugin",
      .op = "Custom",
      .doc = "A tactic that a plugin brings; its name and version are the config.",
      .supports = plugin_supports,
      .configs = plugin_configs,
      .load = load,
  };
}

}  // namespace lathe
