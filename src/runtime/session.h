// SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs a plan. LoadedEngine is shared and immutable but for its caches of prepared tactics; a
// RuntimeSession owns buffers and a stream and belongs to one thread at a time.
//
//   auto engine = LATHE_TRY(LoadedEngine::open(std::move(plan), devices));
//   auto session = LATHE_TRY(RuntimeSession::open(engine, {}));
//   LATHE_TRY(session->set_shape(0, Shape::of({1, 3, 224, 224})));
//   LATHE_TRY(session->bind_input(0, pixels));
//   LATHE_TRY(session->run());
//   session->output(0)
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device/tactic.h"
#include "engine/memory_plan.h"
#include "engine/plan.h"

namespace lathe {

struct Devices {
  Device* main = nullptr;  // the engine's device
  Device* host = nullptr;  // the CPU; the same as main in a CPU engine
};

class LoadedEngine {
 public:
  // `release`: gives back the pages of a mapped file under constants that were packed or uploaded
  // (they fault in again when another shape needs them); null: constants are ordinary memory.
  using Release = std::function<void(std::span<const std::byte> range)>;
  // `shared`: an engine whose packed weights this one takes where their constants are the same
  // memory; null: none.
  static Result<std::shared_ptr<LoadedEngine>> open(Plan plan, Devices devices,
                                                    Release release = {},
                                                    const LoadedEngine* shared = nullptr);
  LoadedEngine();
  ~LoadedEngine();
  const Plan& plan() const;
  // Bytes of weights that runs read: packed, uploaded, or as the engine holds them.
  int64_t weight_bytes() const;
  // Frees packed weights that only engines read that are closed by now.
  void drop_unused_packs();
  struct State;  // engine_state.h

 private:
  friend class RuntimeSession;
  std::unique_ptr<State> state_;
};

struct SessionOptions {
  int threads = 0;                // 0: the device's
  void* native_stream = nullptr;  // CUstream of the caller's
  int plan_cache = 8;             // shapes kept resolved
  bool poison = false;            // fill arena and outputs with NaN before each run (tests)
};

struct StepTime {
  int step;
  double seconds;
};

class RuntimeSession {
 public:
  static Result<std::unique_ptr<RuntimeSession>> open(std::shared_ptr<LoadedEngine> engine,
                                                      SessionOptions options);
  ~RuntimeSession();
  RuntimeSession(const RuntimeSession&) = delete;

  Status set_shape(int input, Shape shape);
  // Memory of the caller's (host or device memory of the engine's device), used until rebound.
  Status bind_input(int input, const void* data, size_t bytes, bool host);
  Status bind_output(int output, void* data, size_t bytes, bool host);
  // GPU: the stream of the runs from now on, borrowed (a CUstream).
  Status set_stream(void* native);
  // Memory of the caller's on the engine's device for activations and workspace, 256-byte aligned;
  // null: the session's own again. A run fails when it is smaller than device_memory_bytes().
  Status set_device_memory(void* memory, size_t bytes);
  // Copies the tensor in and sets the shape.
  Status set_input(int input, const HostTensor& tensor);

  Result<Shape> input_shape(int input) const;  // as set, or as the engine has it where it is fixed
  Result<Shape> output_shape(int output);      // resolves the current shapes
  Result<int64_t> device_memory_bytes();       // likewise
  Status run();                                // returns when done
  // Returns when queued (CUDA); same as run on CPU. A stream under capture records the steps.
  Status enqueue();
  Status wait();
  // What the last run left, whatever shapes were set since: a copy in host memory, and the memory
  // itself, the session's or the caller's (null before the first run).
  Result<HostTensor> output(int output);
  const void* output_data(int output) const;

  // Runs with a clock around each step.
  Status profile(std::vector<StepTime>* into);
  const MemoryPlan* memory() const;  // of the current shape, null before resolve
  int64_t workspace_bytes() const;
  int64_t arena_bytes() const;

 private:
  RuntimeSession();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lathe
