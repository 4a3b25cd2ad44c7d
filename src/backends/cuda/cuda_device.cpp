// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/cuda_device.h"

#include <algorithm>
#include <array>

#include "backends/cuda/cuda_state.h"
#include "device/tactic.h"

namespace lathe::cuda {

#define TACTIC(file, name) const Tactic& name();
#include "backends/cuda/tactics.def"
#undef TACTIC

namespace {

// Launches captured into one graph when work is timed: enough to hide what starting a graph costs.
constexpr int kTimedLaunches = 50;

class CudaMemory : public Memory {
 public:
  CudaMemory(std::shared_ptr<const Context> context, OwnedDeviceMemory memory, size_t bytes)
      : context_(std::move(context)), memory_(std::move(memory)) {
    data_ = reinterpret_cast<void*>(static_cast<uintptr_t>(memory_.get()));
    size_ = bytes;
  }
  ~CudaMemory() override {
    ContextScope scope(*context_);
    memory_.reset();
  }

 private:
  std::shared_ptr<const Context> context_;
  OwnedDeviceMemory memory_;
};

class CudaGraph : public Captured {
 public:
  CudaGraph(std::shared_ptr<const Context> context, OwnedGraphExec graph)
      : context_(std::move(context)), graph_(std::move(graph)) {}
  ~CudaGraph() override {
    ContextScope scope(*context_);
    graph_.reset();
  }
  Status launch(Stream& stream) override {
    ContextScope scope(*context_);
    return check(context_->driver.cuGraphLaunch(graph_.get(), cuda_stream(stream).handle()),
                 "cuGraphLaunch");
  }

 private:
  std::shared_ptr<const Context> context_;
  OwnedGraphExec graph_;
};

int attribute(const Context& c, CUdevice_attribute what) {
  int value = 0;
  (void)c.driver.cuDeviceGetAttribute(&value, what, c.device);
  return value;
}

// Multiply-adds of F32 that a multiprocessor starts in a cycle.
int lanes_per_multiprocessor(int sm) { return sm == 80 ? 64 : 128; }

Result<double> seconds_between(const Context& c, const OwnedEvent& start, const OwnedEvent& end) {
  float milliseconds = 0;
  LATHE_TRY(check(c.driver.cuEventSynchronize(end.get()), "cuEventSynchronize"));
  LATHE_TRY(check(c.driver.cuEventElapsedTime(&milliseconds, start.get(), end.get()),
                  "cuEventElapsedTime"));
  return milliseconds * 1e-3;
}

}  // namespace

CudaStream::~CudaStream() {
  ContextScope scope(*context_);
  marked_.reset();
  own_.reset();
}

Status CudaStream::synchronize() {
  ContextScope scope(*context_);
  return check(context_->driver.cuStreamSynchronize(stream_), "cuStreamSynchronize");
}

Status CudaStream::mark() {
  if (own_.get() != nullptr || is_capturing()) return {};
  ContextScope scope(*context_);
  const Driver& cuda = context_->driver;
  if (marked_.get() == nullptr) {
    LATHE_TRY(check(cuda.cuEventCreate(marked_.out(), kEventDisableTiming), "cuEventCreate"));
  }
  return check(cuda.cuEventRecord(marked_.get(), stream_), "cuEventRecord");
}

Status CudaStream::settle() {
  if (own_.get() != nullptr) return synchronize();
  if (marked_.get() == nullptr) return {};
  ContextScope scope(*context_);
  return check(context_->driver.cuEventSynchronize(marked_.get()), "cuEventSynchronize");
}

bool CudaStream::is_capturing() const {
  ContextScope scope(*context_);
  CUstreamCaptureStatus status = CUstreamCaptureStatus::None;
  return context_->driver.cuStreamIsCapturing(stream_, &status) == CUresult::Success &&
         status != CUstreamCaptureStatus::None;
}

std::span<const Tactic* const> tactics() {
  static const Tactic* const kTactics[] = {
#define TACTIC(file, name) &name(),
#include "backends/cuda/tactics.def"
#undef TACTIC
  };
  return kTactics;
}
std::span<const Tactic* const> CudaDevice::tactics() const { return cuda::tactics(); }

Status CudaDevice::read_facts(int ordinal) {
  const Context& c = *context_;
  std::array<char, 256> name{};
  size_t bytes = 0;
  LATHE_TRY(check(c.driver.cuDeviceGetName(name.data(), static_cast<int>(name.size()), c.device),
                  "cuDeviceGetName"));
  LATHE_TRY(check(c.driver.cuDeviceTotalMem_v2(&bytes, c.device), "cuDeviceTotalMem"));
  info_.kind = DeviceKind::Cuda;
  info_.ordinal = ordinal;
  info_.name = name.data();
  info_.sm = attribute(c, CUdevice_attribute::ComputeCapabilityMajor) * 10 +
             attribute(c, CUdevice_attribute::ComputeCapabilityMinor);
  info_.features = fmt::format("sm_{}", info_.sm);
  info_.libraries = Libraries::describe();
  info_.multiprocessors = attribute(c, CUdevice_attribute::MultiprocessorCount);
  info_.memory_bytes = static_cast<int64_t>(bytes);
  const double clock = 1e3 * attribute(c, CUdevice_attribute::ClockRate);
  const double memory_clock = 1e3 * attribute(c, CUdevice_attribute::MemoryClockRate);
  const double bus_bytes = attribute(c, CUdevice_attribute::GlobalMemoryBusWidth) / 8.0;
  info_.flops_f32 = 2.0 * info_.multiprocessors * lanes_per_multiprocessor(info_.sm) *
                    (clock > 0 ? clock : 1.5e9);
  info_.bytes_per_second = memory_clock > 0 ? 2 * memory_clock * bus_bytes : 5e11;
  if (info_.sm < 80) {
    return unsupported("{} has compute capability {}.{}, Lathe needs 8.0 or newer", info_.name,
                       info_.sm / 10, info_.sm % 10);
  }
  return {};
}

Result<std::unique_ptr<Device>> CudaDevice::open(int ordinal, Device& host) {
  auto device = std::make_unique<CudaDevice>(LATHE_TRY(Context::open(ordinal)), host);
  LATHE_TRY(device->read_facts(ordinal));
  return std::unique_ptr<Device>(std::move(device));
}

Result<std::unique_ptr<Memory>> CudaDevice::allocate(size_t bytes) {
  ContextScope scope(*context_);
  OwnedDeviceMemory memory;
  LATHE_TRY(check(context_->driver.cuMemAlloc_v2(memory.out(), std::max<size_t>(bytes, 1)),
                  fmt::format("{} bytes on {}", bytes, info_.name)));
  return std::unique_ptr<Memory>(std::make_unique<CudaMemory>(context_, std::move(memory), bytes));
}

Result<std::unique_ptr<Stream>> CudaDevice::open_stream(void* native) {
  if (native != nullptr) {
    return std::unique_ptr<Stream>(
        std::make_unique<CudaStream>(context_, static_cast<CUstream>(native)));
  }
  ContextScope scope(*context_);
  OwnedStream own;
  LATHE_TRY(
      check(context_->driver.cuStreamCreate(own.out(), kStreamNonBlocking), "cuStreamCreate"));
  return std::unique_ptr<Stream>(std::make_unique<CudaStream>(context_, std::move(own)));
}

// Addresses are unified: the driver sees from `from` whether it is host or device memory.
Status CudaDevice::upload(void* to, const void* from, size_t bytes, Stream& stream) {
  if (bytes == 0) return {};
  ContextScope scope(*context_);
  unsigned type = 0;
  const Driver& cuda = context_->driver;
  const CUstream queue = cuda_stream(stream).handle();
  const bool known = cuda.cuPointerGetAttribute(&type, CUpointer_attribute::MemoryType,
                                                address(from)) == CUresult::Success;
  if (known && type != static_cast<unsigned>(CUmemorytype::Host)) {
    return check(cuda.cuMemcpyDtoDAsync_v2(address(to), address(from), bytes, queue),
                 "cuMemcpyDtoDAsync");
  }
  return check(cuda.cuMemcpyHtoDAsync_v2(address(to), from, bytes, queue), "cuMemcpyHtoDAsync");
}

Status CudaDevice::download(void* to, const void* from, size_t bytes, Stream& stream) {
  if (bytes == 0) return {};
  ContextScope scope(*context_);
  return check(
      context_->driver.cuMemcpyDtoHAsync_v2(to, address(from), bytes, cuda_stream(stream).handle()),
      "cuMemcpyDtoHAsync");
}

Status CudaDevice::fill(void* to, uint8_t value, size_t bytes, Stream& stream) {
  if (bytes == 0) return {};
  ContextScope scope(*context_);
  return check(
      context_->driver.cuMemsetD8Async(address(to), value, bytes, cuda_stream(stream).handle()),
      "cuMemsetD8Async");
}

Result<OwnedGraphExec> CudaDevice::capture_graph(CudaStream& stream, WorkRef work, int times) {
  const Driver& cuda = context_->driver;
  LATHE_TRY(check(cuda.cuStreamBeginCapture_v2(stream.handle(), CUstreamCaptureMode::ThreadLocal),
                  "cuStreamBeginCapture"));
  Status worked;
  for (int k = 0; k < times && worked.ok(); ++k) worked = work();
  OwnedGraph graph;
  CUgraph captured = nullptr;
  const CUresult ended = cuda.cuStreamEndCapture(stream.handle(), &captured);
  graph.reset(captured);
  LATHE_TRY(worked);
  LATHE_TRY(check(ended, "cuStreamEndCapture"));
  OwnedGraphExec exec;
  LATHE_TRY(
      check(cuda.cuGraphInstantiateWithFlags(exec.out(), graph.get(), 0), "cuGraphInstantiate"));
  return exec;
}

// Work that cannot be captured (it waits for the device) is timed as it is.
Result<double> CudaDevice::time(Stream& stream, WorkRef work, int repeats, const ColdMemory&) {
  ContextScope scope(*context_);
  const Driver& cuda = context_->driver;
  CudaStream& s = cuda_stream(stream);
  LATHE_TRY(work());  // the first launch may load code, which a capture must not
  const int in_graph = std::clamp(repeats, 1, kTimedLaunches);
  Result<OwnedGraphExec> graph = capture_graph(s, work, in_graph);
  OwnedEvent start, end;
  LATHE_TRY(check(cuda.cuEventCreate(start.out(), 0), "cuEventCreate"));
  LATHE_TRY(check(cuda.cuEventCreate(end.out(), 0), "cuEventCreate"));
  const int launches = graph.ok() ? (repeats + in_graph - 1) / in_graph : repeats;
  LATHE_TRY(s.synchronize());
  if (graph.ok()) LATHE_TRY(check(cuda.cuGraphUpload(graph->get(), s.handle()), "cuGraphUpload"));
  LATHE_TRY(check(cuda.cuEventRecord(start.get(), s.handle()), "cuEventRecord"));
  for (int k = 0; k < launches; ++k) {
    LATHE_TRY(graph.ok() ? check(cuda.cuGraphLaunch(graph->get(), s.handle()), "cuGraphLaunch")
                         : work());
  }
  LATHE_TRY(check(cuda.cuEventRecord(end.get(), s.handle()), "cuEventRecord"));
  const double seconds = LATHE_TRY(seconds_between(*context_, start, end));
  const int done = graph.ok() ? launches * in_graph : launches;
  return seconds / done;
}

Result<std::unique_ptr<Captured>> CudaDevice::capture(Stream& stream, WorkRef work) {
  ContextScope scope(*context_);
  OwnedGraphExec graph = LATHE_TRY(capture_graph(cuda_stream(stream), work, 1));
  LATHE_TRY(check(context_->driver.cuGraphUpload(graph.get(), cuda_stream(stream).handle()),
                  "cuGraphUpload"));
  return std::unique_ptr<Captured>(std::make_unique<CudaGraph>(context_, std::move(graph)));
}

int device_count() {
  Result<const Driver*> cuda = Driver::open();
  int count = 0;
  if (!cuda.ok() || (*cuda)->cuDeviceGetCount(&count) != CUresult::Success) return 0;
  return count;
}

int current_device() {
  Result<const Driver*> cuda = Driver::open();
  CUcontext context = nullptr;
  CUdevice device = 0;
  if (!cuda.ok() || (*cuda)->cuCtxGetCurrent(&context) != CUresult::Success || context == nullptr ||
      (*cuda)->cuCtxGetDevice(&device) != CUresult::Success)
    return 0;
  const int count = device_count();
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    CUdevice candidate = 0;
    if ((*cuda)->cuDeviceGet(&candidate, ordinal) == CUresult::Success && candidate == device)
      return ordinal;
  }
  return 0;
}

Result<std::unique_ptr<Device>> make_cuda_device(int ordinal, Device& host) {
  return CudaDevice::open(ordinal, host);
}

}  // namespace lathe::cuda
