// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a session owns: memory, a stream, the plans of the shapes it met. session.cpp is its
// outside.
#include <memory>
#include <vector>

#include "base/math.h"
#include "runtime/engine_state.h"
#include "runtime/shape_plan.h"

namespace lathe {

inline constexpr int64_t kDeviceAlign = 256;  // what kernels and libraries may rely on

// An input's or output's memory: the caller's, or our own.
struct Port {
  void* bound = nullptr;  // the caller's
  size_t bound_bytes = 0;
  bool bound_on_host = true;
  std::unique_ptr<Memory> own;
  size_t given_bytes = 0;  // inputs: of `own`, that the caller's values fill
  Shape shape;             // inputs: as the caller set it
  bool has_shape = false;
  // Outputs: where the last run left it; null: it did not, or the caller bound other memory since.
  void* result = nullptr;
  bool result_on_host = true;
};

struct RuntimeSession::State {
  std::shared_ptr<LoadedEngine> keep;
  LoadedEngine::State* engine = nullptr;
  SessionOptions options;
  int threads = 1;
  std::unique_ptr<Stream> stream;
  std::unique_ptr<Stream> capture_stream;  // beside a borrowed one, which may not allow capture
  std::vector<Port> inputs, outputs;
  std::vector<std::unique_ptr<ShapePlan>> plans;  // most recently used first
  std::unique_ptr<Memory> arena, host_arena, workspace;
  char* given = nullptr;  // the caller's, in the place of arena and workspace
  size_t given_bytes = 0;
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

  Result<Shape> input_shape(size_t input) const;
  Status resolve_shapes();
  Status check_bound(const std::vector<Port>& ports, const std::vector<PlanPort>& named,
                     const char* kind);
  Status check_given();
  Status allocate();
  Status allocate_scratch();
  // In one piece of memory: activations, then workspace.
  int64_t workspace_start() const {
    return static_cast<int64_t>(
        round_up(static_cast<size_t>(plans.front()->memory.device_arena), kDeviceAlign));
  }
  int64_t device_bytes() const { return workspace_start() + plans.front()->workspace; }
  char* arena_data() const { return given != nullptr ? given : static_cast<char*>(arena->data()); }
  void* workspace_data() const {
    return given != nullptr ? given + workspace_start() : workspace->data();
  }
  // The device memory of a port: the caller's, or our own.
  void* port_base(const Port& p) const {
    const bool in_place = p.bound != nullptr && (!p.bound_on_host || device().is_host());
    return in_place ? p.bound : p.own->data();
  }
  Status bind_pointers();
  Result<void*> storage(TensorId t);
  const void* root_base(TensorId root);
  Status prepare_run();
  Status launch_step(size_t s, Stream& on);
  Status launch_steps(Stream& on);
  Status launch_all();
  Status queue_run();
  Status check_capture() const;
  Result<Stream*> stream_to_capture();
  Status poison();
  Status move_inputs();
  Status move_outputs();
  int64_t tensor_bytes(TensorId t) { return current().memory.bytes[static_cast<size_t>(t)]; }
};

}  // namespace lathe
