// SPDX-License-Identifier: Apache-2.0
#include "runtime/session_state.h"

#include <algorithm>

namespace lathe {

// As the caller set it, or as the engine has it where it is fixed.
Result<Shape> RuntimeSession::State::input_shape(size_t input) const {
  if (inputs[input].has_shape) return inputs[input].shape;
  const PlanPort& port = plan().inputs[input];
  const Shape& declared = plan().tensors[static_cast<size_t>(port.tensor)].type.shape;
  if (declared.is_concrete()) return declared;
  return invalid("input '{}' has no shape yet: it is {}", port.name, declared.to_string());
}

// The plan of the current shapes to the front of the cache, made when it is not there.
Status RuntimeSession::State::resolve_shapes() {
  if (!shapes_changed && !plans.empty()) return {};
  std::vector<Shape> shapes;
  for (size_t k = 0; k < inputs.size(); ++k) {
    shapes.push_back(LATHE_TRY(input_shape(k)));
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

Status RuntimeSession::State::allocate_scratch() {
  const ShapePlan& shape = current();
  if (given == nullptr) {
    LATHE_TRY(ensure(arena, shape.memory.device_arena, device()));
    return ensure(workspace, shape.workspace, device());
  }
  if (given_bytes >= static_cast<size_t>(device_bytes())) return {};
  return invalid("device memory: {} bytes are given, {} are needed", given_bytes, device_bytes());
}

Status RuntimeSession::State::allocate() {
  LATHE_TRY(allocate_scratch());
  LATHE_TRY(ensure(host_arena, current().memory.host_arena, *engine->devices.host));
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
    return (on_host ? static_cast<char*>(host_arena->data()) : arena_data()) + place;
  }
  for (size_t k = 0; k < inputs.size(); ++k) {
    if (plan().inputs[k].tensor == root) return port_base(inputs[k]);
  }
  for (size_t k = 0; k < outputs.size(); ++k) {
    const TensorId t = plan().outputs[k].tensor;
    if (m.root[static_cast<size_t>(t)] == root && m.is_whole(t)) return port_base(outputs[k]);
  }
  return arena_data();  // of a tensor that no step touches
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

Status RuntimeSession::State::check_given() {
  for (size_t k = 0; k < inputs.size(); ++k) {
    const PlanPort& port = plan().inputs[k];
    const auto need = static_cast<size_t>(tensor_bytes(port.tensor));
    if (inputs[k].bound != nullptr || inputs[k].given_bytes >= need) continue;
    return invalid("input '{}' has a shape and no values of {} bytes", port.name, need)
        .with_cure("set_input copies them, bind_input reads them in place");
  }
  return {};
}

Status RuntimeSession::State::prepare_run() {
  ran = nullptr;
  if (stream->is_capturing()) LATHE_TRY(check_capture());
  LATHE_TRY(resolve_shapes());
  LATHE_TRY(check_bound(inputs, plan().inputs, "input"));
  LATHE_TRY(check_bound(outputs, plan().outputs, "output"));
  LATHE_TRY(check_given());
  LATHE_TRY(allocate());
  return bind_pointers();
}

// What a graph of the caller's cannot record: allocating, loading code, waiting for the device.
Status RuntimeSession::State::check_capture() const {
  if (shapes_changed || plans.empty() || !plans.front()->launched) {
    return invalid("the stream is being captured, and nothing ran at these shapes yet")
        .with_cure("run once at the same shapes before the capture");
  }
  if (plans.front()->capturable) return {};
  for (size_t s = 0; s < plan().steps.size(); ++s) {
    if (plan().steps[s].on_host || !plans.front()->steps[s].prepared->capturable) {
      return unsupported("step '{}' waits for the host: the engine cannot be captured",
                         plan().steps[s].name);
    }
  }
  return {};
}

Status RuntimeSession::State::launch_step(size_t s, Stream& on) {
  ShapePlan& shape = current();
  const Buffers at{shape.in[s], shape.out[s], workspace_data()};
  Status status = shape.steps[s].prepared->launch(at, on);
  if (status.ok()) return status;
  return std::move(status).at(fmt::format("step '{}'", plan().steps[s].name));
}

Status RuntimeSession::State::launch_steps(Stream& on) {
  for (size_t s = 0; s < current().steps.size(); ++s) LATHE_TRY(launch_step(s, on));
  return {};
}

Result<Stream*> RuntimeSession::State::stream_to_capture() {
  if (options.native_stream == nullptr) return stream.get();
  if (capture_stream == nullptr) capture_stream = LATHE_TRY(device().open_stream());
  return capture_stream.get();
}

Status RuntimeSession::State::queue_run() {
  if (options.poison) LATHE_TRY(poison());
  LATHE_TRY(move_inputs());
  LATHE_TRY(launch_all());
  return move_outputs();
}

Status RuntimeSession::State::launch_all() {
  ShapePlan& shape = current();
  shape.launched = true;
  if (stream->is_capturing()) return launch_steps(*stream);
  if (shape.captured != nullptr) return shape.captured->launch(*stream);
  if (device().is_host() || !shape.capturable || shape.runs_bound++ == 0)
    return launch_steps(*stream);
  Stream& recorder = *LATHE_TRY(stream_to_capture());
  auto all = [&] { return launch_steps(recorder); };
  shape.captured = LATHE_TRY(device().capture(recorder, all));
  return shape.captured != nullptr ? shape.captured->launch(*stream) : launch_steps(*stream);
}

Status RuntimeSession::State::poison() {
  constexpr uint8_t kNan = 0xFF;  // every float type reads NaN
  const auto activations = static_cast<size_t>(current().memory.device_arena);
  LATHE_TRY(device().fill(arena_data(), kNan, activations, *stream));
  const auto scratch = static_cast<size_t>(current().workspace);
  LATHE_TRY(device().fill(workspace_data(), kNan, scratch, *stream));
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

}  // namespace lathe
