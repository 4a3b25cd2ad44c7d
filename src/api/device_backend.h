// SPDX-License-Identifier: Apache-2.0
#pragma once
// What stands behind lathe/device.h: one implementation for the CPU, one for CUDA.
#include <functional>
#include <memory>

#include "base/status.h"
#include "lathe/device.h"

namespace lathe {

// Events, graphs and streams meet those of their own kind of device only: device.cpp compares
// `is_gpu` first.
struct EventBackend {
  explicit EventBackend(bool is_gpu) : is_gpu(is_gpu) {}
  virtual ~EventBackend() = default;
  virtual Result<bool> done() const = 0;
  virtual Status synchronize() const = 0;
  virtual Result<float> milliseconds_since(const EventBackend& start) const = 0;
  virtual void* native() const = 0;

  const bool is_gpu;
};

struct GraphBackend {
  explicit GraphBackend(bool is_gpu) : is_gpu(is_gpu) {}
  virtual ~GraphBackend() = default;
  virtual void* native() const = 0;
  virtual int node_count() const = 0;

  const bool is_gpu;
};

struct StreamBackend {
  explicit StreamBackend(bool is_gpu) : is_gpu(is_gpu) {}
  virtual ~StreamBackend() = default;
  virtual Status copy(void* to, const void* from, size_t bytes) = 0;
  virtual Status fill(void* to, uint8_t value, size_t bytes) = 0;
  virtual Status record(const std::shared_ptr<EventBackend>& event) = 0;
  virtual Status wait(const std::shared_ptr<EventBackend>& event) = 0;
  virtual Status synchronize() = 0;
  virtual Result<bool> done() const = 0;
  virtual Status run(std::function<Status()> work) = 0;
  virtual Status begin_capture() = 0;
  virtual Result<std::shared_ptr<GraphBackend>> end_capture() = 0;
  virtual bool is_capturing() const = 0;
  virtual Status launch(const std::shared_ptr<GraphBackend>& graph) = 0;
  virtual void* native() const = 0;

  const bool is_gpu;
};

struct DeviceBackend {
  virtual ~DeviceBackend() = default;
  virtual Result<DeviceMemoryInfo> memory_info() const = 0;
  virtual Result<int> attribute(int number) const = 0;
  virtual Result<void*> allocate(size_t bytes, bool pinned) = 0;
  virtual void free(void* data, bool pinned) noexcept = 0;
  virtual Result<std::shared_ptr<StreamBackend>> open_stream(bool blocking) = 0;
  virtual std::shared_ptr<StreamBackend> borrow_stream(void* native) = 0;
  virtual Result<std::shared_ptr<EventBackend>> make_event(bool timing) = 0;
  virtual Status synchronize() = 0;

  DeviceProperties properties;
};

Result<std::shared_ptr<DeviceBackend>> open_host_backend();
Result<std::shared_ptr<DeviceBackend>> open_cuda_backend(int ordinal);

}  // namespace lathe
