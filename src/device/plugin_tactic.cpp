// SPDX-License-Identifier: Apache-2.0
#include "device/plugin_tactic.h"

#include <algorithm>

#include "base/denormals.h"

namespace lathe {
namespace {

constexpr size_t kMostWorkspace = size_t{1} << 46;  // additions to it do not overflow

int32_t kind_of(const DeviceInfo& device) {
  return device.kind == DeviceKind::Cuda ? LATHE_CUDA : LATHE_CPU;
}

Config config_of(const LatheTactic& t) { return fmt::format("{}@{}", t.name, t.version); }

std::span<const LatheTactic> tactics_of(const OpInstance& op) {
  return {op.plugin->op->tactics, op.plugin->op->tactic_count};
}

void describe(const DeviceInfo& device, PluginProblem& problem) {
  problem.device.device = kind_of(device);
  problem.device.compute_capability = device.sm;
  problem.device.threads = device.threads;
}

uint32_t formats_of(const LatheTactic& t) {
  return t.formats == 0 ? LATHE_FORMAT_BIT(LATHE_ROW_MAJOR) : t.formats;
}

// Tensors of lower rank are row-major in every format.
Support accepts_formats(const LatheTactic& t, const LatheTensor* tensors, size_t count) {
  constexpr const char* kNames[] = {"row-major", "channels-last"};
  for (size_t k = 0; k < count; ++k) {
    const int32_t format = tensors[k].format;
    if (tensors[k].rank >= 3 && (formats_of(t) & LATHE_FORMAT_BIT(format)) == 0)
      return Support::no(fmt::format("{}: it takes no {} tensors", t.name, kNames[format]));
  }
  return Support::yes();
}

// Whether the plugin's tactic takes the instance.
Support accepts(const LatheTactic& t, const PluginProblem& problem) {
  const LatheProblem& p = *problem.get();
  if (Support s = accepts_formats(t, p.operands, p.operand_count); !s) return s;
  if (Support s = accepts_formats(t, p.results, p.result_count); !s) return s;
  if (t.supports == nullptr) return Support::yes();
  TextSink why;
  const Status s = why.call([&](LatheText* text) { return t.supports(problem.get(), text); });
  return s.ok() ? Support::yes() : Support::no(fmt::format("{}: {}", t.name, s.message()));
}

// The names of the tactics that accept, or why none does.
std::vector<Config> accepted(const OpInstance& op, const DeviceInfo& device, std::string* reasons) {
  std::vector<Config> configs;
  Result<PluginProblem> problem = PluginProblem::make(op);
  if (!problem.ok()) {
    *reasons = problem.status().message();
    return configs;
  }
  describe(device, *problem);
  for (const LatheTactic& t : tactics_of(op)) {
    if (t.device != kind_of(device)) continue;
    if (Support s = accepts(t, *problem); s) {
      configs.push_back(config_of(t));
    } else {
      *reasons += (reasons->empty() ? "" : ", ") + s.why;
    }
  }
  if (configs.empty() && reasons->empty()) *reasons = "the plugin has no tactic for this device";
  return configs;
}

}  // namespace

PluginFormats plugin_formats(const OpInstance& op, const DeviceInfo& device) {
  uint32_t formats = 0;
  if (op.plugin == nullptr) return {};
  for (const LatheTactic& t : tactics_of(op)) {
    if (t.device == kind_of(device)) formats |= formats_of(t);
  }
  return {.row_major = formats == 0 || (formats & LATHE_FORMAT_BIT(LATHE_ROW_MAJOR)) != 0,
          .channels_last = (formats & LATHE_FORMAT_BIT(LATHE_CHANNELS_LAST)) != 0};
}

Support plugin_supports(const OpInstance& op, const DeviceInfo& device) {
  if (op.attrs.text("plugin").empty()) return Support::no("no plugin brings it");
  if (op.plugin == nullptr) return Support::no("its plugin is not loaded");
  if (!op.fusion.empty() || op.fusion.sliced()) return Support::no("plugins take no fusions");
  std::string reasons;
  const bool any = !accepted(op, device, &reasons).empty();
  return {any, reasons};
}

std::vector<Config> plugin_configs(const OpInstance& op, const DeviceInfo& device) {
  std::string ignored;
  return accepted(op, device, &ignored);
}

// A config that an engine remembers may be gone from a newer library: then the first that accepts.
Result<std::unique_ptr<PreparedPlugin>> PreparedPlugin::make(const LoadContext& context) {
  const DeviceInfo& device = context.device.info();
  std::string reasons;
  const std::vector<Config> configs = accepted(context.op, device, &reasons);
  if (configs.empty()) return unsupported("{}", reasons);
  const auto asked = std::find(configs.begin(), configs.end(), context.config);
  const Config config = asked == configs.end() ? configs[0] : *asked;
  const std::span<const LatheTactic> all = tactics_of(context.op);
  const auto tactic = std::find_if(all.begin(), all.end(),
                                   [&](const LatheTactic& t) { return config_of(t) == config; });
  PluginProblem problem = LATHE_TRY(PluginProblem::make(context.op, context.constants));
  describe(device, problem);
  auto made = std::make_unique<PreparedPlugin>(context.op, *tactic, std::move(problem));
  made->capturable = tactic->capturable != 0;
  if (tactic->prepare == nullptr) return made;
  TextSink error;
  Status s = error.call([&](LatheText* text) {
    return tactic->prepare(made->problem_.get(), &made->state_, &made->workspace_bytes, text);
  });
  made->problem_.forget_constants();
  if (!s.ok()) return std::move(s).at(tactic->name);
  if (made->workspace_bytes > kMostWorkspace)
    return out_of_memory("{}: it asks for {} bytes of workspace", tactic->name,
                         made->workspace_bytes);
  return made;
}

PreparedPlugin::~PreparedPlugin() {
  if (tactic_.release == nullptr || state_ == nullptr) return;
  const Status ignored = TextSink().call([&](LatheText*) {
    tactic_.release(state_);
    return int32_t{LATHE_OK};
  });
}

Status PreparedPlugin::launch(const Buffers& at, Stream& stream) const {
  const LatheBuffers buffers{at.in.data(), at.out.data(), at.workspace, stream.native()};
  const Denormals as_compiled(/*flush=*/false);
  TextSink error;
  Status s = error.call(
      [&](LatheText* text) { return tactic_.launch(state_, problem_.get(), &buffers, text); });
  if (s.ok()) return s;
  return std::move(s).at(fmt::format("plugin {}, {}", owner_->library->identity(), tactic_.name));
}

}  // namespace lathe
