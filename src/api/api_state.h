// SPDX-License-Identifier: Apache-2.0
#pragma once
// What stands behind the handles of include/lathe.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lathe/lathe.h"
#include "runtime/session.h"

namespace lathe {

// The devices of one engine, open as long as it lives.
struct OpenDevices {
  std::unique_ptr<Device> host;
  std::unique_ptr<Device> gpu;  // null in a CPU engine
  Device& main() const { return gpu != nullptr ? *gpu : *host; }
};

// "cpu", "cuda", "cuda:1".
Result<OpenDevices> open_devices(const std::string& id, int threads);
// 1 for "cuda:1"; of "cuda" the caller's current one, else 0.
Result<int> cuda_ordinal(const std::string& id);

struct EngineState {
  OpenDevices devices;  // outlives `loaded`
  std::shared_ptr<LoadedEngine> loaded;
  double build_seconds = 0;
  bool poison = false;  // every session fills its buffers with NaN before each run
};

// An engine state around a plan. `release`, `shared`: see LoadedEngine::open.
Result<std::shared_ptr<const EngineState>> make_engine_state(Plan plan, OpenDevices devices,
                                                             LoadedEngine::Release release,
                                                             const LoadedEngine* shared = nullptr);

Status no_engine();  // what an Engine that holds none answers
// "no input is named 'x': there are a, b".
Status no_such_port(const std::vector<PlanPort>& ports, std::string_view name, const char* kind);
PortInfo port_info(const std::string& name, const TensorType& type);
Type to_public(DType type);
DType to_internal(Type type);
// Deep copies between the public tensor and ours.
struct TensorAccess {
  static Tensor from(const HostTensor& tensor);
  static Result<HostTensor> to(const Tensor& tensor);
  static void set_name(Tensor& tensor, std::string name) { tensor.name_ = std::move(name); }
};

}  // namespace lathe
