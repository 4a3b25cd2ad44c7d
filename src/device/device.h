// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a backend is: a Device with memory, streams, a clock and a manifest of tactics. Compiler,
// tuner and runtime know backends through this header and tactic.h only.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace lathe {

struct Tactic;

enum class DeviceKind : uint8_t { Cpu, Cuda };

// What tactics decide by and what keys the timing cache. Two devices with equal `key()` give
// interchangeable measurements.
struct DeviceInfo {
  DeviceKind kind = DeviceKind::Cpu;
  int ordinal = 0;        // "cuda:1" is 1
  std::string name;       // "NVIDIA H200", "AMD EPYC 9B45"
  std::string features;   // CPU: "avx2,avx512,vnni,bf16"; GPU: "sm_90"
  std::string libraries;  // "onednn 2.6.3", "cudnn 9.19.0, cublaslt 13.1.0, nvrtc 13.0"
  int threads = 1;        // CPU: of one run
  int sm = 0;             // GPU: compute capability times 10 (90)
  int multiprocessors = 0;
  bool tf32 = false;  // GPU: products and convolutions of F32 may round operands to TF32
  int64_t memory_bytes = 0;
  double flops_f32 = 1e11;  // peak, for the cost model
  double bytes_per_second = 2e10;
  bool has(std::string_view feature) const;
  std::string key() const;
};

// Device memory, freed by its destructor. 256-byte aligned.
class Memory {
 public:
  virtual ~Memory() = default;
  void* data() const { return data_; }
  size_t size() const { return size_; }

 protected:
  void* data_ = nullptr;
  size_t size_ = 0;
};

using ColdMemory = std::vector<std::span<const std::byte>>;

// A queue of work. CPU streams run everything at once in the caller's thread.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual Status synchronize() = 0;
  // Notes the end of what was queued so far, for settle().
  virtual Status mark() { return {}; }
  // Waits for what was queued, up to the last mark on a borrowed stream: that itself is not
  // touched, since its owner may have destroyed it.
  virtual Status settle() { return synchronize(); }
  virtual void* native() const { return nullptr; }  // CUstream
  // Whether work queued now is recorded into a graph of the caller's instead of run.
  virtual bool is_capturing() const { return false; }
};

// Work captured once and replayed: a CUDA graph.
class Captured {
 public:
  virtual ~Captured() = default;
  virtual Status launch(Stream& stream) = 0;
};

// A function and its state, borrowed for a call.
class WorkRef {
 public:
  template <class F>
  WorkRef(F& f) : object_(&f), call_([](void* o) -> Status { return (*static_cast<F*>(o))(); }) {}
  Status operator()() const { return call_(object_); }

 private:
  void* object_;
  Status (*call_)(void*);
};

class Device {
 public:
  virtual ~Device() = default;
  const DeviceInfo& info() const { return info_; }
  bool is_host() const { return info_.kind == DeviceKind::Cpu; }
  // For builds: tactics may then offer configs that round operands of F32 to TF32.
  void allow_tf32(bool allowed) { info_.tf32 = allowed; }
  // The backend's manifest, fastest expectation first for each operator.
  virtual std::span<const Tactic* const> tactics() const = 0;

  virtual Result<std::unique_ptr<Memory>> allocate(size_t bytes) = 0;
  // `native`: a stream of the caller's (CUstream) to borrow, or null for one of our own.
  virtual Result<std::unique_ptr<Stream>> open_stream(void* native = nullptr) = 0;
  // Queued on the stream; host memory is safe to reuse after synchronize().
  virtual Status upload(void* to, const void* from, size_t bytes, Stream& stream) = 0;
  virtual Status download(void* to, const void* from, size_t bytes, Stream& stream) = 0;
  virtual Status fill(void* to, uint8_t value, size_t bytes, Stream& stream) = 0;
  // Seconds of device time that one run of `work` takes, of `repeats` at most: their mean, or the
  // fastest where something else may interrupt one. Caches are as a network's other steps leave
  // them, and hold nothing of `cold`: weights, each of which a network reads once.
  virtual Result<double> time(Stream& stream, WorkRef work, int repeats,
                              const ColdMemory& cold) = 0;
  // Captures what `work` queues; null where the device has no such thing.
  virtual Result<std::unique_ptr<Captured>> capture(Stream& stream, WorkRef work) = 0;

 protected:
  DeviceInfo info_;
};

// Compiles device code when an engine is built; lives outside the runtime library.
class KernelCompiler {
 public:
  virtual ~KernelCompiler() = default;
  // CUDA C++ text to a cubin for `sm` (90). The error holds the compiler's first lines.
  virtual Result<std::vector<std::byte>> compile(const std::string& source, int sm) = 0;
  virtual std::string version() const = 0;
};

}  // namespace lathe
