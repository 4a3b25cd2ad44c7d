// SPDX-License-Identifier: Apache-2.0
#include "runtime/session.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/parallel.h"
#include "runtime/engine_state.h"
#include "runtime/shape_plan.h"

namespace lathe {
namespace {

// An input's or output's memory: the caller's, or our own.
struct Port {
  void* bound = nullptr;  // the caller's
  size_t bound_bytes = 0;
  bool bound_on_host = true;
  std::unique_ptr<Memory> own;
  Shape shape;  // inputs: as the caller set it
  bool has_shape = false;
  // Outputs: where the last run left it; null: it did not, or the caller bound other memory since.
  void* result = nullptr;
  bool result_on_host = true;
};

}  // namespace

struct RuntimeSession::State {
  std::shared_ptr<LoadedEngine> keep;
  LoadedEngine::State* engine = nullptr;
  SessionOptions options;
  int threads = 1;
  std::unique_ptr<Stream> stream;
  std::vector<Port> inputs, outputs;
  std::vector<std::unique_ptr<ShapePlan>> plans;  // most recently used first
  std::unique_ptr<Memory> arena, host_arena, workspace;
  bool shapes_changed = true;
  uint64_t binding = 1;            // changes whenever a pointer may have
  const ShapePlan* ran = nullptr;  // that of the last run: its sizes are the results'

  const Plan& plan() const { return engine->plan; }
  Device& device() const { return *engine->devices.main; }
  ShapePlan& current() { return *plans.front(); }

  Status ensure(std::unique_ptr<Memory>& memory, int64_t bytes, Device& where) {
    if (memory != nullptr && memory->size() >= static_cast<size_t>(bytes)) return {};
    memory.reset();
    memory = LATHE_TRY(where.allocate(static_cast<size_t>(std::max<int64_t>(bytes, 64))));
    ++binding;
    return {};
  }

  Status resolve_shapes();
  Status check_bound(const std::vector<Port>& ports, const std::vector<PlanPort>& named,
                     const char* kind);
  Status allocate();
  // The device memory of a port: the caller's, or our own.
  void* port_base(const Port& p) const {
    const bool in_place = p.bound != nullptr && (!p.bound_on_host || device().is_host());
    return in_place ? p.bound : p.own->data();
  }
  Status bind_pointers();
  Result<void*> storage(TensorId t);
  const void* root_base(TensorId root);
  Status prepare_run();
  Status launch_step(size_t s);
  Status launch_all();
  Status poison();
  Status move_inputs();
  Status move_outputs();
  int64_t tensor_bytes(TensorId t) { return current().memory.bytes[static_cast<size_t>(t)]; }
};

// The plan of the current shapes to the front of the cache, made when it is not there.
Status RuntimeSession::State::resolve_shapes() {
  if (!shapes_changed && !plans.empty()) return {};
  std::vector<Shape> shapes;
  for (size_t k = 0; k < inputs.size(); ++k) {
    const PlanPort& port = plan().inputs[k];
    const Shape& declared = plan().tensors[static_cast<size_t>(port.tensor)].type.shape;
    if (!inputs[k].has_shape && !declared.is_concrete()) {
      return invalid("input '{}' has no shape yet: it is {}", port.name, declared.to_string());
    }
    shapes.push_back(inputs[k].has_shape ? inputs[k].shape : declared);
  }
  auto it =
      std::find_if(plans.begin(), plans.end(), [&](const auto& p) { return p->inputs == shapes; });
  if (it == plans.end()) {
    auto made = LATHE_TRY(resolve(*engine, std::move(shapes), threads));
    if (plans.size() >= static_cast<size_t>(std::max(options.plan_cache, 1))) {
      if (plans.back().get() == ran) ran = nullptr;
      plans.pop_back();
    }
    plans.insert(plans.begin(), std::move(made));
  } else {
    std::rotate(plans.begin(), it, it + 1);
  }
  shapes_changed = false;
  return {};
}

Status RuntimeSession::State::allocate() {
  const ShapePlan& shape = current();
  LATHE_TRY(ensure(arena, shape.memory.device_arena, device()));
  LATHE_TRY(ensure(host_arena, shape.memory.host_arena, *engine->devices.host));
  LATHE_TRY(ensure(workspace, shape.workspace, device()));
  auto own = [&](Port& port, TensorId t) -> Status {
    if (port.bound != nullptr && (!port.bound_on_host || device().is_host())) return {};
    return ensure(port.own, tensor_bytes(t), device());
  };
  for (size_t k = 0; k < inputs.size(); ++k) LATHE_TRY(own(inputs[k], plan().inputs[k].tensor));
  for (size_t k = 0; k < outputs.size(); ++k) LATHE_TRY(own(outputs[k], plan().outputs[k].tensor));
  return {};
}

// Where a tensor's first element is.
Result<void*> RuntimeSession::State::storage(TensorId t) {
  const MemoryPlan& m = current().memory;
  const TensorId root = m.root[static_cast<size_t>(t)];
  const PlanTensor& r = plan().tensors[static_cast<size_t>(root)];
  const void* base = r.constant >= 0
                         ? LATHE_TRY(engine->constant_data(r.constant, r.on_host, *stream))
                         : root_base(root);
  return static_cast<void*>(static_cast<char*>(const_cast<void*>(base)) +
                            m.offset[static_cast<size_t>(t)]);
}

// A root that is no constant lies in an arena, or is an input, or all of an output.
const void* RuntimeSession::State::root_base(TensorId root) {
  const MemoryPlan& m = current().memory;
  const int64_t place = m.place[static_cast<size_t>(root)];
  if (place != MemoryPlan::kNone) {
    const bool on_host = plan().tensors[static_cast<size_t>(root)].on_host;
    return static_cast<char*>((on_host ? *host_arena : *arena).data()) + place;
  }
  for (size_t k = 0; k < inputs.size(); ++k) {
    if (plan().inputs[k].tensor == root) return port_base(inputs[k]);
  }
  for (size_t k = 0; k < outputs.size(); ++k) {
    const TensorId t = plan().outputs[k].tensor;
    if (m.root[static_cast<size_t>(t)] == root && m.is_whole(t)) return port_base(outputs[k]);
  }
  return arena->data();  // of a tensor that no step touches
}

Status RuntimeSession::State::bind_pointers() {
  ShapePlan& shape = current();
  if (shape.bound_to == binding) return {};
  for (size_t s = 0; s < shape.steps.size(); ++s) {
    const Step& step = plan().steps[s];
    const uint64_t plain = shape.steps[s].prepared->plain_constants;
    for (size_t k = 0; k < step.in.size(); ++k) {
      if (step.in[k] < 0) continue;
      const bool constant = plan().tensors[static_cast<size_t>(step.in[k])].constant >= 0;
      const bool packed = constant && k < 64 && ((plain >> k) & 1) == 0;
      shape.in[s][k] = packed ? nullptr : LATHE_TRY(storage(step.in[k]));
    }
    for (size_t k = 0; k < step.out.size(); ++k) shape.out[s][k] = LATHE_TRY(storage(step.out[k]));
  }
  shape.captured.reset();
  shape.runs_bound = 0;
  shape.bound_to = binding;
  return {};
}

Status RuntimeSession::State::check_bound(const std::vector<Port>& ports,
                                          const std::vector<PlanPort>& named, const char* kind) {
  for (size_t k = 0; k < ports.size(); ++k) {
    const auto need = static_cast<size_t>(tensor_bytes(named[k].tensor));
    if (ports[k].bound != nullptr && ports[k].bound_bytes < need) {
      return invalid("{} '{}': {} bytes are bound, {} are needed", kind, named[k].name,
                     ports[k].bound_bytes, need);
    }
  }
  return {};
}

Status RuntimeSession::State::prepare_run() {
  ran = nullptr;
  LATHE_TRY(resolve_shapes());
  LATHE_TRY(check_bound(inputs, plan().inputs, "input"));
  LATHE_TRY(check_bound(outputs, plan().outputs, "output"));
  LATHE_TRY(allocate());
  return bind_pointers();
}

Status RuntimeSession::State::launch_step(size_t s) {
  ShapePlan& shape = current();
  const Buffers at{shape.in[s], shape.out[s], workspace->data()};
  Status status = shape.steps[s].prepared->launch(at, *stream);
  if (status.ok()) return status;
  return std::move(status).at(fmt::format("step '{}'", plan().steps[s].name));
}

Status RuntimeSession::State::launch_all() {
  ShapePlan& shape = current();
  if (shape.captured != nullptr) return shape.captured->launch(*stream);
  auto all = [&]() -> Status {
    for (size_t s = 0; s < shape.steps.size(); ++s) LATHE_TRY(launch_step(s));
    return {};
  };
  if (device().is_host() || !shape.capturable || shape.runs_bound++ == 0) return all();
  shape.captured = LATHE_TRY(device().capture(*stream, all));
  return shape.captured != nullptr ? shape.captured->launch(*stream) : all();
}

Status RuntimeSession::State::poison() {
  constexpr uint8_t kNan = 0xFF;  // every float type reads NaN
  LATHE_TRY(device().fill(arena->data(), kNan, arena->size(), *stream));
  LATHE_TRY(device().fill(workspace->data(), kNan, workspace->size(), *stream));
  std::fill_n(static_cast<uint8_t*>(host_arena->data()), host_arena->size(), kNan);
  for (size_t k = 0; k < outputs.size(); ++k) {
    const auto bytes = static_cast<size_t>(tensor_bytes(plan().outputs[k].tensor));
    LATHE_TRY(device().fill(port_base(outputs[k]), kNan, bytes, *stream));
  }
  return {};
}

Status RuntimeSession::State::move_inputs() {
  if (device().is_host()) return {};
  for (size_t k = 0; k < inputs.size(); ++k) {
    Port& p = inputs[k];
    if (p.bound == nullptr || !p.bound_on_host) continue;
    const auto bytes = static_cast<size_t>(tensor_bytes(plan().inputs[k].tensor));
    LATHE_TRY(device().upload(p.own->data(), p.bound, bytes, *stream));
  }
  return {};
}

// Outputs that are parts or copies of something else, and those that the caller wants on the host.
Status RuntimeSession::State::move_outputs() {
  for (size_t k = 0; k < outputs.size(); ++k) {
    Port& p = outputs[k];
    const TensorId t = plan().outputs[k].tensor;
    const auto bytes = static_cast<size_t>(tensor_bytes(t));
    void* from = LATHE_TRY(storage(t));
    p.result_on_host = p.bound != nullptr && p.bound_on_host;
    p.result = p.result_on_host ? p.bound : port_base(p);
    if (p.result == from || bytes == 0) continue;
    LATHE_TRY(p.result_on_host ? device().download(p.result, from, bytes, *stream)
                               : device().upload(p.result, from, bytes, *stream));
  }
  ran = &current();
  return {};
}

RuntimeSession::RuntimeSession() : state_(std::make_unique<State>()) {}
RuntimeSession::~RuntimeSession() {
  if (state_->stream != nullptr) (void)state_->stream->synchronize();
}

Result<std::unique_ptr<RuntimeSession>> RuntimeSession::open(std::shared_ptr<LoadedEngine> engine,
                                                             SessionOptions options) {
  std::unique_ptr<RuntimeSession> session(new RuntimeSession());
  State& s = *session->state_;
  s.engine = engine->state_.get();
  s.keep = std::move(engine);
  s.options = options;
  s.threads = options.threads > 0 ? options.threads : s.engine->devices.host->info().threads;
  s.stream = LATHE_TRY(s.device().open_stream(options.native_stream));
  s.inputs.resize(s.plan().inputs.size());
  s.outputs.resize(s.plan().outputs.size());
  return session;
}

Status RuntimeSession::set_shape(int input, Shape shape) {
  Port& p = state_->inputs[static_cast<size_t>(input)];
  if (p.has_shape && p.shape == shape) return {};
  p.shape = std::move(shape);
  p.has_shape = true;
  state_->shapes_changed = true;
  return {};
}

Status RuntimeSession::bind_input(int input, const void* data, size_t bytes, bool host) {
  Port& p = state_->inputs[static_cast<size_t>(input)];
  if (p.bound != data || p.bound_on_host != host) ++state_->binding;
  p.bound = const_cast<void*>(data);
  p.bound_bytes = bytes;
  p.bound_on_host = host;
  return {};
}

Status RuntimeSession::bind_output(int output, void* data, size_t bytes, bool host) {
  Port& p = state_->outputs[static_cast<size_t>(output)];
  if (p.bound != data || p.bound_on_host != host) {
    ++state_->binding;
    p.result = nullptr;
  }
  p.bound = data;
  p.bound_bytes = bytes;
  p.bound_on_host = host;
  return {};
}

Status RuntimeSession::set_input(int input, const HostTensor& tensor) {
  State& s = *state_;
  const PlanPort& port = s.plan().inputs[static_cast<size_t>(input)];
  const TensorType& want = s.plan().tensors[static_cast<size_t>(port.tensor)].type;
  if (tensor.dtype() != want.dtype) {
    return invalid("input '{}': the tensor is {}, expected {}", port.name,
                   to_string(tensor.dtype()), to_string(want.dtype));
  }
  LATHE_TRY(set_shape(input, tensor.shape()));
  Port& p = s.inputs[static_cast<size_t>(input)];
  if (p.bound != nullptr) ++s.binding;
  p.bound = nullptr;
  LATHE_TRY(s.ensure(p.own, static_cast<int64_t>(tensor.bytes().size()), s.device()));
  if (tensor.bytes().empty()) return {};
  LATHE_TRY(
      s.device().upload(p.own->data(), tensor.bytes().data(), tensor.bytes().size(), *s.stream));
  return s.stream->synchronize();
}

Result<Shape> RuntimeSession::output_shape(int output) {
  LATHE_TRY(state_->resolve_shapes());
  const TensorId t = state_->plan().outputs[static_cast<size_t>(output)].tensor;
  return state_->current().memory.types[static_cast<size_t>(t)].shape;
}

Status RuntimeSession::enqueue() {
  State& s = *state_;
  ThreadScope scope(s.threads);
  LATHE_TRY(s.prepare_run());
  if (s.options.poison) LATHE_TRY(s.poison());
  LATHE_TRY(s.move_inputs());
  LATHE_TRY(s.launch_all());
  return s.move_outputs();
}

Status RuntimeSession::wait() { return state_->stream->synchronize(); }

Status RuntimeSession::run() {
  LATHE_TRY(enqueue());
  return wait();
}

Result<HostTensor> RuntimeSession::output(int output) {
  State& s = *state_;
  const PlanPort& port = s.plan().outputs[static_cast<size_t>(output)];
  const Port& p = s.outputs[static_cast<size_t>(output)];
  if (s.ran == nullptr || p.result == nullptr)
    return invalid("output '{}' is read before the first run", port.name);
  HostTensor copy =
      LATHE_TRY(HostTensor::make(s.ran->memory.types[static_cast<size_t>(port.tensor)]));
  if (copy.bytes().empty()) return copy;
  const std::span<std::byte> to = copy.mutable_bytes();
  if (p.result_on_host) {
    LATHE_TRY(s.stream->synchronize());
    std::memcpy(to.data(), p.result, to.size());
    return copy;
  }
  LATHE_TRY(s.device().download(to.data(), p.result, to.size(), *s.stream));
  LATHE_TRY(s.stream->synchronize());
  return copy;
}

const void* RuntimeSession::output_data(int output) const {
  return state_->ran == nullptr ? nullptr : state_->outputs[static_cast<size_t>(output)].result;
}

Status RuntimeSession::profile(std::vector<StepTime>* into) {
  State& s = *state_;
  ThreadScope scope(s.threads);
  LATHE_TRY(s.prepare_run());
  LATHE_TRY(s.move_inputs());
  into->clear();
  for (size_t k = 0; k < s.current().steps.size(); ++k) {
    LATHE_TRY(s.stream->synchronize());
    const auto begin = std::chrono::steady_clock::now();
    LATHE_TRY(s.launch_step(k));
    LATHE_TRY(s.stream->synchronize());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    into->push_back({static_cast<int>(k), took.count()});
  }
  LATHE_TRY(s.move_outputs());
  return wait();
}

const MemoryPlan* RuntimeSession::memory() const {
  return state_->plans.empty() ? nullptr : &state_->current().memory;
}

int64_t RuntimeSession::workspace_bytes() const {
  return state_->workspace == nullptr ? 0 : static_cast<int64_t>(state_->workspace->size());
}

int64_t RuntimeSession::arena_bytes() const {
  int64_t total = state_->arena == nullptr ? 0 : static_cast<int64_t>(state_->arena->size());
  if (state_->host_arena != nullptr) total += static_cast<int64_t>(state_->host_arena->size());
  return total;
}

}  // namespace lathe
