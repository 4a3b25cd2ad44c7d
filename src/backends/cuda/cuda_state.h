// SPDX-License-Identifier: Apache-2.0
#pragma once
// The classes behind cuda_device.h, for tactics: a Device or Stream that reaches a CUDA tactic is
// one of these.
#include <memory>

#include "backends/cuda/context.h"
#include "backends/cuda/libraries.h"
#include "device/device.h"

namespace lathe::cuda {

class CudaStream : public Stream {
 public:
  CudaStream(std::shared_ptr<const Context> context, CUstream borrowed)
      : context_(std::move(context)), stream_(borrowed) {}
  CudaStream(std::shared_ptr<const Context> context, OwnedStream own)
      : context_(std::move(context)), own_(std::move(own)), stream_(own_.get()) {}
  ~CudaStream() override;

  Status synchronize() override;
  Status mark() override;
  Status settle() override;
  void* native() const override { return stream_; }
  CUstream handle() const { return stream_; }
  const Context& context() const { return *context_; }
  bool is_capturing() const override;

 private:
  std::shared_ptr<const Context> context_;
  OwnedStream own_;  // empty where the stream is borrowed
  OwnedEvent marked_;
  CUstream stream_ = nullptr;
};

class CudaDevice : public Device {
 public:
  static Result<std::unique_ptr<Device>> open(int ordinal, Device& host);
  CudaDevice(std::shared_ptr<const Context> context, Device& host)
      : context_(std::move(context)), libraries_(context_), host_(host) {}

  std::span<const Tactic* const> tactics() const override;
  Result<std::unique_ptr<Memory>> allocate(size_t bytes) override;
  Result<std::unique_ptr<Stream>> open_stream(void* native) override;
  Status upload(void* to, const void* from, size_t bytes, Stream& stream) override;
  Status download(void* to, const void* from, size_t bytes, Stream& stream) override;
  Status fill(void* to, uint8_t value, size_t bytes, Stream& stream) override;
  Result<double> time(Stream& stream, WorkRef work, int repeats, const ColdMemory& cold) override;
  Result<std::unique_ptr<Captured>> capture(Stream& stream, WorkRef work) override;

  const std::shared_ptr<const Context>& context() const { return context_; }
  Libraries& libraries() { return libraries_; }
  Device& host() { return host_; }

 private:
  Status read_facts(int ordinal);
  Result<OwnedGraphExec> capture_graph(CudaStream& stream, WorkRef work, int times);

  std::shared_ptr<const Context> context_;
  Libraries libraries_;
  Device& host_;
};

inline CudaDevice& cuda_device(Device& device) { return static_cast<CudaDevice&>(device); }
inline CudaStream& cuda_stream(Stream& stream) { return static_cast<CudaStream&>(stream); }
inline CUdeviceptr address(const void* pointer) {
  return static_cast<CUdeviceptr>(reinterpret_cast<uintptr_t>(pointer));
}

}  // namespace lathe::cuda
