// SPDX-License-Identifier: Apache-2.0
#pragma once
// A device's memory, streams, events and captured graphs, for programs that keep their tensors on
// the device that the engine runs on.
//
//   auto device = lathe::ComputeDevice::open("cuda");      // "cpu", "cuda", "cuda:1"
//   if (!device.ok()) return fail(device.status());
//   auto stream = device->open_stream();
//   auto memory = device->allocate(bytes);
//   stream->copy(memory->data(), pixels, bytes);           // queued
//   session->bind_input("images", memory->data(), bytes, device->properties().is_gpu);
//   stream->synchronize();
//
// The CPU is a device like the others: its memory is host memory, and its streams do everything at
// once, in the caller's thread, unless they are being captured. On a GPU an address is a
// CUdeviceptr and a stream's native handle a CUstream, both of the context that was current when
// the device was opened (else of the primary one): those of PyTorch, CuPy and PyCUDA may be given
// wherever an address or a handle is expected.
//
// Nothing throws. A ComputeDevice is a shared handle: copy it, use it from any thread. What it
// makes keeps it alive. A stream, event or graph is used by one thread at a time.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "lathe/export.h"
#include "lathe/status.h"

namespace lathe {

struct DeviceBackend;  // one of cpu and cuda
struct StreamBackend;
struct EventBackend;
struct GraphBackend;

struct DeviceProperties {
  std::string id;    // "cpu", "cuda:0"
  std::string name;  // "NVIDIA H200", "AMD EPYC 9B45"
  std::string pci_bus_id;
  bool is_gpu = false;
  int ordinal = 0;
  int compute_major = 0, compute_minor = 0;  // 0 on the CPU
  int multiprocessors = 0;                   // the CPU's: threads that the container may use
  size_t total_bytes = 0;
  int driver_version = 0;  // of CUDA: 12040 is 12.4; 0 on the CPU
};

struct DeviceMemoryInfo {
  size_t free_bytes = 0, total_bytes = 0;
};

// Bytes on the device, or pinned ones on the host; freed by the destructor, 256-byte aligned.
class LATHE_API DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(DeviceMemory&& other) noexcept { *this = std::move(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(pinned_, other.pinned_);
    return *this;
  }
  ~DeviceMemory();
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  friend class ComputeDevice;
  std::shared_ptr<DeviceBackend> device_;
  void* data_ = nullptr;
  size_t bytes_ = 0;
  bool pinned_ = false;
};

// A point in a stream's work, with the time at which it was reached.
class LATHE_API DeviceEvent {
 public:
  // Whether the work before it is done. An event that was never recorded is done.
  Result<bool> done() const;
  Status synchronize() const;
  // Milliseconds from `start` to this one; InvalidInput when one of them was not recorded, or is
  // not done.
  Result<float> milliseconds_since(const DeviceEvent& start) const;
  void* native() const;  // CUevent; the CPU's: an address of its own

 private:
  friend class ComputeDevice;
  friend class DeviceStream;
  std::shared_ptr<EventBackend> state_;
};

// Work that was captured from a stream, to be queued again as a whole: same addresses, same sizes.
class LATHE_API DeviceGraph {
 public:
  void* native() const;  // CUgraphExec; the CPU's: an address of its own
  int node_count() const;

 private:
  friend class DeviceStream;
  std::shared_ptr<GraphBackend> state_;
};

// A queue of work. Copies take any mixture of host and device addresses; host memory may be reused
// after synchronize().
class LATHE_API DeviceStream {
 public:
  Status copy(void* to, const void* from, size_t bytes);
  Status fill(void* to, uint8_t value, size_t bytes);
  Status record(DeviceEvent& event);
  Status wait(const DeviceEvent& event);  // later work waits for it; the caller does not
  Status synchronize();
  Result<bool> done() const;
  // Host work in the stream's order, CPU only (Unsupported on a GPU): done at once, or recorded
  // while the stream is being captured.
  Status run(std::function<Status()> work);

  // Between the two, what is queued is recorded, not done.
  Status begin_capture();
  Result<DeviceGraph> end_capture();
  bool is_capturing() const;
  Status launch(const DeviceGraph& graph);

  void* native() const;  // CUstream, null for the default one; the CPU's: an address of its own

 private:
  friend class ComputeDevice;
  std::shared_ptr<StreamBackend> state_;
};

class LATHE_API ComputeDevice {
 public:
  // "cpu", "cuda:1", "cuda": as BuildOptions. NotFound for one that is not there, with what to do.
  static Result<ComputeDevice> open(const std::string& id);
  // GPUs of this machine; 0 without a driver.
  static int gpu_count();

  const DeviceProperties& properties() const;
  Result<DeviceMemoryInfo> memory_info() const;
  // A CUdevice_attribute by its number in cuda.h; Unsupported on the CPU.
  Result<int> attribute(int number) const;

  Result<DeviceMemory> allocate(size_t bytes) const;
  Result<DeviceMemory> allocate_pinned(size_t bytes) const;
  // `blocking`: waits for, and holds up, the work of the default stream, as CUDA's streams do
  // unless told otherwise.
  Result<DeviceStream> open_stream(bool blocking = true) const;
  // A stream of the caller's (CUstream), or the default one (null). Any handle on the CPU.
  DeviceStream borrow_stream(void* native) const;
  Result<DeviceEvent> make_event(bool timing = true) const;
  Status synchronize() const;

 private:
  std::shared_ptr<DeviceBackend> state_;
};

}  // namespace lathe
