// SPDX-License-Identifier: Apache-2.0
// plugin: the CUDA tactics of a plugin's operator, on device memory and the session's stream.
#include "backends/cuda/cuda_state.h"
#include "device/plugin_tactic.h"

namespace lathe::cuda {
namespace {

// The plugin finds the device's context current, whatever API it calls.
class PreparedPluginOnGpu : public Prepared {
 public:
  PreparedPluginOnGpu(std::shared_ptr<const Context> context,
                      std::unique_ptr<PreparedPlugin> plugin)
      : context_(std::move(context)), plugin_(std::move(plugin)) {
    workspace_bytes = plugin_->workspace_bytes;
    capturable = plugin_->capturable;
  }
  ~PreparedPluginOnGpu() override {
    ContextScope scope(*context_);
    plugin_.reset();
  }
  Status launch(const Buffers& at, Stream& stream) const override {
    if (!capturable && cuda_stream(stream).is_capturing())
      return unsupported("the plugin's tactic cannot be captured");
    ContextScope scope(*context_);
    return plugin_->launch(at, stream);
  }

 private:
  std::shared_ptr<const Context> context_;
  std::unique_ptr<PreparedPlugin> plugin_;
};

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  const std::shared_ptr<const Context>& c = cuda_device(context.device).context();
  ContextScope scope(*c);
  return std::unique_ptr<Prepared>(
      std::make_unique<PreparedPluginOnGpu>(c, LATHE_TRY(PreparedPlugin::make(context))));
}

}  // namespace

const Tactic& plugin() {
  static constexpr Tactic tactic = plugin_tactic(load);
  return tactic;
}

}  // namespace lathe::cuda
