// SPDX-License-Identifier: Apache-2.0
// Engines as the public API shows them: loading, saving, describing, opening sessions.
#include <algorithm>

#include "api/api_state.h"
#include "base/file.h"
#include "engine/format.h"
#include "engine/plugins.h"

namespace lathe {
namespace {

Result<OpenDevices> devices_for(const Plan& plan, const std::string& device) {
  if (plan.device == DeviceKind::Cpu) return open_devices("cpu", 0);
  if (device == "cpu") return invalid("device 'cpu': the engine was built for a GPU");
  return open_devices(device.empty() ? "cuda" : device, 0);
}

std::vector<PortInfo> port_infos(const Plan& plan, const std::vector<PlanPort>& ports) {
  std::vector<PortInfo> infos;
  for (const PlanPort& p : ports) {
    const PlanTensor& t = plan.tensors[static_cast<size_t>(p.tensor)];
    infos.push_back(port_info(p.name, t.type));
    infos.back().on_device = plan.device == DeviceKind::Cuda && !t.on_host;
  }
  return infos;
}

// The sizes of an input with its symbols at one end of their ranges; -1: no end.
std::vector<int64_t> sizes_at(const Plan& plan, const Shape& shape, int64_t SymbolRange::*end) {
  std::vector<int64_t> sizes;
  for (const Dim& d : shape) {
    Bindings at;
    for (const SymbolRange& r : plan.symbols) {
      if (r.*end != INT64_MAX) at[r.name] = r.*end;
    }
    const Result<int64_t> size = d.evaluate(at);
    sizes.push_back(size.ok() ? *size : -1);
  }
  return sizes;
}

// Of an Engine that holds none: nothing at all.
const Plan& plan_of(const EngineState* state) {
  static const Plan kNone;
  return state == nullptr ? kNone : state->loaded->plan();
}

}  // namespace

Status no_engine() { return invalid("the engine is empty: it was neither built nor loaded"); }

Status no_such_port(const std::vector<PlanPort>& ports, std::string_view name, const char* kind) {
  std::string known;
  for (const PlanPort& p : ports) known += (known.empty() ? "" : ", ") + p.name;
  return not_found("no {} is named '{}': there are {}", kind, name, known);
}

PortInfo port_info(const std::string& name, const TensorType& type) {
  PortInfo info;
  info.name = name;
  info.type = to_public(type.dtype);
  for (const Dim& d : type.shape) {
    info.shape.push_back(d.is_constant() ? DimInfo{d.value(), ""} : DimInfo{-1, d.to_string()});
  }
  return info;
}

Result<std::shared_ptr<const EngineState>> make_engine_state(Plan plan, OpenDevices devices,
                                                             LoadedEngine::Release release,
                                                             const LoadedEngine* shared) {
  auto state = std::make_shared<EngineState>();
  state->devices = std::move(devices);
  state->loaded = LATHE_TRY(LoadedEngine::open(std::move(plan),
                                               {&state->devices.main(), state->devices.host.get()},
                                               std::move(release), shared));
  return std::shared_ptr<const EngineState>(std::move(state));
}

Result<Engine> Engine::load(const std::string& path, const std::vector<std::string>& plugins,
                            const std::string& device) {
  const PluginLibraries libraries = LATHE_TRY(open_plugins(plugins));
  auto file = std::make_shared<MappedFile>(LATHE_TRY(map_file(path)));
  const LoadedEngine::Release release = [file](std::span<const std::byte> part) {
    file->release_pages(part);
  };
  Result<Plan> plan = read_engine(file->bytes(), file, release);
  if (!plan.ok()) return std::move(plan).status().at(path);
  LATHE_TRY(bind_plugins(*plan, libraries).at(path));
  Result<OpenDevices> devices = devices_for(*plan, device);
  if (!devices.ok()) return std::move(devices).status().at(path);
  Engine engine;
  engine.state_ = LATHE_TRY(make_engine_state(*std::move(plan), *std::move(devices), release));
  return engine;
}

Result<Engine> Engine::parse(std::span<const std::byte> bytes,
                             const std::vector<std::string>& plugins, const std::string& device) {
  const PluginLibraries libraries = LATHE_TRY(open_plugins(plugins));
  auto copy = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
  Plan plan = LATHE_TRY(read_engine(*copy, copy));
  LATHE_TRY(bind_plugins(plan, libraries));
  OpenDevices devices = LATHE_TRY(devices_for(plan, device));
  Engine engine;
  engine.state_ = LATHE_TRY(make_engine_state(std::move(plan), std::move(devices), {}));
  return engine;
}

Result<std::vector<std::byte>> Engine::serialize() const {
  if (state_ == nullptr) return no_engine();
  return write_engine(state_->loaded->plan());
}

Status Engine::save(const std::string& path) const {
  const std::vector<std::byte> bytes = LATHE_TRY(serialize());
  return write_file_atomically(path, bytes);
}

std::vector<PortInfo> Engine::inputs() const {
  const Plan& plan = plan_of(state_.get());
  return port_infos(plan, plan.inputs);
}
std::vector<PortInfo> Engine::outputs() const {
  const Plan& plan = plan_of(state_.get());
  return port_infos(plan, plan.outputs);
}

std::vector<StepInfo> Engine::steps() const {
  std::vector<StepInfo> infos;
  const Plan& plan = plan_of(state_.get());
  for (const Step& s : plan.steps) {
    StepInfo info;
    info.name = s.name;
    info.op = s.op.to_string();
    info.device = s.on_host || plan.device == DeviceKind::Cpu ? "cpu" : "cuda";
    info.tactic = s.tactic;
    info.config = s.config;
    info.seconds = s.seconds;
    info.measured = s.measured;
    info.why = s.why;
    for (const std::string& r : s.certificate.rejected) info.why += "rejected: " + r + "; ";
    info.max_error = s.certificate.max_error;
    info.checked = s.certificate.checked;
    infos.push_back(std::move(info));
  }
  return infos;
}

std::string Engine::device() const {
  if (state_ == nullptr) return "";
  const DeviceInfo& info = state_->devices.main().info();
  return info.kind == DeviceKind::Cuda ? fmt::format("cuda:{}", info.ordinal) : "cpu";
}
std::vector<std::string> Engine::plugins() const { return plugins_needed(plan_of(state_.get())); }
std::string Engine::model_name() const { return plan_of(state_.get()).model; }
int Engine::nodes_in_model() const { return plan_of(state_.get()).nodes_in_model; }
double Engine::build_seconds() const { return state_ == nullptr ? 0 : state_->build_seconds; }
double Engine::tuning_seconds() const { return plan_of(state_.get()).tuning_seconds; }
double Engine::checking_seconds() const { return plan_of(state_.get()).checking_seconds; }
std::vector<double> Engine::certified_end_to_end() const {
  return plan_of(state_.get()).end_to_end;
}
std::string Engine::graph_text() const { return plan_of(state_.get()).graph; }

Result<InputProfile> Engine::profile(std::string_view input) const {
  const Plan& plan = plan_of(state_.get());
  for (const PlanPort& p : plan.inputs) {
    if (p.name != input) continue;
    const Shape& shape = plan.tensors[static_cast<size_t>(p.tensor)].type.shape;
    return InputProfile{sizes_at(plan, shape, &SymbolRange::min),
                        sizes_at(plan, shape, &SymbolRange::opt),
                        sizes_at(plan, shape, &SymbolRange::max)};
  }
  return no_such_port(plan.inputs, input, "input");
}

Result<int64_t> Engine::device_memory_size() const {
  Session session = LATHE_TRY(open());
  for (const PlanPort& p : plan_of(state_.get()).inputs) {
    const InputProfile range = LATHE_TRY(profile(p.name));
    if (std::find(range.max.begin(), range.max.end(), -1) != range.max.end())
      return invalid("input '{}' has no largest shape", p.name)
          .with_cure("build with min, opt and max shapes");
    LATHE_TRY(session.set_shape(p.name, range.max));
  }
  return session.device_memory_size();
}

int64_t Engine::weight_bytes() const {
  return state_ == nullptr ? 0 : state_->loaded->weight_bytes();
}

double Engine::certified_step_error() const {
  double worst = 0;
  for (const Step& s : plan_of(state_.get()).steps)
    worst = std::max(worst, s.certificate.max_error);
  return worst;
}

}  // namespace lathe
