// SPDX-License-Identifier: Apache-2.0
#include "runtime/session.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/denormals.h"
#include "base/parallel.h"
#include "base/signals.h"
#include "runtime/session_state.h"

namespace lathe {

RuntimeSession::RuntimeSession() : state_(std::make_unique<State>()) {}
RuntimeSession::~RuntimeSession() {
  if (state_->stream != nullptr) (void)state_->stream->settle();
}

Result<std::unique_ptr<RuntimeSession>> RuntimeSession::open(std::shared_ptr<LoadedEngine> engine,
                                                             SessionOptions options) {
  LATHE_TRY(check_threads(options.threads));
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
  p.given_bytes = 0;
  if (tensor.bytes().empty()) return {};
  LATHE_TRY(
      s.device().upload(p.own->data(), tensor.bytes().data(), tensor.bytes().size(), *s.stream));
  LATHE_TRY(s.stream->synchronize());
  p.given_bytes = tensor.bytes().size();
  return {};
}

Status RuntimeSession::set_stream(void* native) {
  State& s = *state_;
  if (s.device().is_host()) return invalid("a CPU engine runs in the caller's thread: no stream");
  if (native == s.options.native_stream && native != nullptr) return {};
  s.stream = LATHE_TRY(s.device().open_stream(native));
  s.options.native_stream = native;
  return {};
}

Status RuntimeSession::set_device_memory(void* memory, size_t bytes) {
  State& s = *state_;
  if (reinterpret_cast<uintptr_t>(memory) % kDeviceAlign != 0)
    return invalid("device memory at {}: expected an address that {} divides", memory,
                   kDeviceAlign);
  if (memory != s.given) ++s.binding;
  s.given = static_cast<char*>(memory);
  s.given_bytes = bytes;
  if (memory == nullptr) return {};
  s.arena.reset();
  s.workspace.reset();
  return {};
}

Result<Shape> RuntimeSession::input_shape(int input) const {
  return state_->input_shape(static_cast<size_t>(input));
}

Result<int64_t> RuntimeSession::device_memory_bytes() {
  LATHE_TRY(state_->resolve_shapes());
  return state_->device_bytes();
}

Result<Shape> RuntimeSession::output_shape(int output) {
  LATHE_TRY(state_->resolve_shapes());
  const TensorId t = state_->plan().outputs[static_cast<size_t>(output)].tensor;
  return state_->current().memory.types[static_cast<size_t>(t)].shape;
}

Status RuntimeSession::enqueue() {
  State& s = *state_;
  ThreadScope scope(s.threads);
  const HeldSignals held;  // once for all steps
  const Denormals denormals(/*flush=*/true);
  LATHE_TRY(s.prepare_run());
  const Status queued = s.queue_run();
  const Status marked = s.stream->mark();
  return queued.ok() ? marked : queued;
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
    LATHE_TRY(s.launch_step(k, *s.stream));
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
  if (state_->given != nullptr) return state_->plans.empty() ? 0 : state_->current().workspace;
  return state_->workspace == nullptr ? 0 : static_cast<int64_t>(state_->workspace->size());
}

int64_t RuntimeSession::arena_bytes() const {
  int64_t total = state_->arena == nullptr ? 0 : static_cast<int64_t>(state_->arena->size());
  if (state_->given != nullptr && !state_->plans.empty()) total = state_->workspace_start();
  if (state_->host_arena != nullptr) total += static_cast<int64_t>(state_->host_arena->size());
  return total;
}

}  // namespace lathe
