// SPDX-License-Identifier: Apache-2.0
// A GPU behind lathe/device.h: the driver's own objects, in the context that engines use too.
#include <array>

#include "api/device_backend.h"
#include "backends/cuda/context.h"

namespace lathe {
namespace {

using cuda::check;
using cuda::Context;
using cuda::ContextScope;
using cuda::CUresult;
using ContextRef = std::shared_ptr<const Context>;

cuda::CUdeviceptr address(const void* pointer) {
  return static_cast<cuda::CUdeviceptr>(reinterpret_cast<uintptr_t>(pointer));
}

// NotReady is an answer, not an error.
Result<bool> finished(CUresult result, const char* what) {
  if (result == CUresult::NotReady) return false;
  LATHE_TRY(check(result, what));
  return true;
}

struct CudaEvent : EventBackend {
  CudaEvent(ContextRef context, cuda::OwnedEvent event)
      : EventBackend(true), context(std::move(context)), event(std::move(event)) {}
  ~CudaEvent() override {
    ContextScope scope(*context);
    event.reset();
  }
  Result<bool> done() const override {
    ContextScope scope(*context);
    return finished(context->driver.cuEventQuery(event.get()), "cuEventQuery");
  }
  Status synchronize() const override {
    ContextScope scope(*context);
    return check(context->driver.cuEventSynchronize(event.get()), "cuEventSynchronize");
  }
  Result<float> milliseconds_since(const EventBackend& start) const override {
    ContextScope scope(*context);
    float milliseconds = 0;
    const CUresult result = context->driver.cuEventElapsedTime(
        &milliseconds, static_cast<const CudaEvent&>(start).event.get(), event.get());
    if (result == CUresult::InvalidHandle || result == CUresult::NotReady) {
      return invalid("an event was not recorded with timing, or its work is not done");
    }
    LATHE_TRY(check(result, "cuEventElapsedTime"));
    return milliseconds;
  }
  void* native() const override { return event.get(); }

  ContextRef context;
  cuda::OwnedEvent event;
};

struct CudaGraph : GraphBackend {
  CudaGraph(ContextRef context, cuda::OwnedGraphExec exec, int nodes)
      : GraphBackend(true), context(std::move(context)), exec(std::move(exec)), nodes(nodes) {}
  ~CudaGraph() override {
    ContextScope scope(*context);
    exec.reset();
  }
  void* native() const override { return exec.get(); }
  int node_count() const override { return nodes; }

  ContextRef context;
  cuda::OwnedGraphExec exec;
  int nodes;
};

struct CudaStream : StreamBackend {
  CudaStream(ContextRef context, cuda::CUstream borrowed)
      : StreamBackend(true), context_(std::move(context)), stream_(borrowed) {}
  CudaStream(ContextRef context, cuda::OwnedStream own)
      : StreamBackend(true),
        context_(std::move(context)),
        own_(std::move(own)),
        stream_(own_.get()) {}
  ~CudaStream() override {
    ContextScope scope(*context_);
    own_.reset();
  }

  Status copy(void* to, const void* from, size_t bytes) override {
    ContextScope scope(*context_);
    return check(driver().cuMemcpyAsync(address(to), address(from), bytes, stream_),
                 "cuMemcpyAsync");
  }
  Status fill(void* to, uint8_t value, size_t bytes) override {
    ContextScope scope(*context_);
    return check(driver().cuMemsetD8Async(address(to), value, bytes, stream_), "cuMemsetD8Async");
  }
  Status record(const std::shared_ptr<EventBackend>& event) override {
    ContextScope scope(*context_);
    return check(driver().cuEventRecord(static_cast<const CudaEvent&>(*event).event.get(), stream_),
                 "cuEventRecord");
  }
  Status wait(const std::shared_ptr<EventBackend>& event) override {
    ContextScope scope(*context_);
    return check(
        driver().cuStreamWaitEvent(stream_, static_cast<const CudaEvent&>(*event).event.get(), 0),
        "cuStreamWaitEvent");
  }
  Status synchronize() override {
    ContextScope scope(*context_);
    return check(driver().cuStreamSynchronize(stream_), "cuStreamSynchronize");
  }
  Result<bool> done() const override {
    ContextScope scope(*context_);
    return finished(driver().cuStreamQuery(stream_), "cuStreamQuery");
  }
  Status run(std::function<Status()>) override {
    return unsupported("host work in a GPU's stream");
  }
  // Other threads go on allocating while this one captures.
  Status begin_capture() override {
    ContextScope scope(*context_);
    return check(driver().cuStreamBeginCapture_v2(stream_, cuda::CUstreamCaptureMode::ThreadLocal),
                 "cuStreamBeginCapture");
  }
  Result<std::shared_ptr<GraphBackend>> end_capture() override {
    ContextScope scope(*context_);
    cuda::CUgraph captured = nullptr;
    const CUresult ended = driver().cuStreamEndCapture(stream_, &captured);
    const cuda::OwnedGraph graph(captured);
    LATHE_TRY(check(ended, "cuStreamEndCapture"));
    size_t nodes = 0;
    LATHE_TRY(check(driver().cuGraphGetNodes(captured, nullptr, &nodes), "cuGraphGetNodes"));
    cuda::OwnedGraphExec exec;
    LATHE_TRY(
        check(driver().cuGraphInstantiateWithFlags(exec.out(), captured, 0), "cuGraphInstantiate"));
    return std::shared_ptr<GraphBackend>(
        std::make_shared<CudaGraph>(context_, std::move(exec), static_cast<int>(nodes)));
  }
  bool is_capturing() const override {
    ContextScope scope(*context_);
    auto status = cuda::CUstreamCaptureStatus::None;
    return driver().cuStreamIsCapturing(stream_, &status) == CUresult::Success &&
           status != cuda::CUstreamCaptureStatus::None;
  }
  Status launch(const std::shared_ptr<GraphBackend>& graph) override {
    ContextScope scope(*context_);
    return check(driver().cuGraphLaunch(static_cast<const CudaGraph&>(*graph).exec.get(), stream_),
                 "cuGraphLaunch");
  }
  void* native() const override { return stream_; }

 private:
  const cuda::Driver& driver() const { return context_->driver; }

  ContextRef context_;
  cuda::OwnedStream own_;
  cuda::CUstream stream_ = nullptr;
};

struct CudaBackend : DeviceBackend {
  explicit CudaBackend(ContextRef context) : context_(std::move(context)) {}

  Status read_properties(int ordinal) {
    std::array<char, 256> name{};
    std::array<char, 32> bus{};
    LATHE_TRY(check(driver().cuDeviceGetName(name.data(), static_cast<int>(name.size()), device()),
                    "cuDeviceGetName"));
    LATHE_TRY(
        check(driver().cuDeviceGetPCIBusId(bus.data(), static_cast<int>(bus.size()), device()),
              "cuDeviceGetPCIBusId"));
    LATHE_TRY(
        check(driver().cuDeviceTotalMem_v2(&properties.total_bytes, device()), "cuDeviceTotalMem"));
    using Attribute = cuda::CUdevice_attribute;
    const auto read = [this](Attribute what) { return attribute(static_cast<int>(what)); };
    properties.compute_major = LATHE_TRY(read(Attribute::ComputeCapabilityMajor));
    properties.compute_minor = LATHE_TRY(read(Attribute::ComputeCapabilityMinor));
    properties.multiprocessors = LATHE_TRY(read(Attribute::MultiprocessorCount));
    properties.id = fmt::format("cuda:{}", ordinal);
    properties.name = name.data();
    properties.pci_bus_id = bus.data();
    properties.is_gpu = true;
    properties.ordinal = ordinal;
    properties.driver_version = driver().version;
    return {};
  }

  Result<DeviceMemoryInfo> memory_info() const override {
    ContextScope scope(*context_);
    DeviceMemoryInfo info;
    LATHE_TRY(check(driver().cuMemGetInfo_v2(&info.free_bytes, &info.total_bytes), "cuMemGetInfo"));
    return info;
  }
  Result<int> attribute(int number) const override {
    int value = 0;
    LATHE_TRY(check(driver().cuDeviceGetAttribute(
                        &value, static_cast<cuda::CUdevice_attribute>(number), device()),
                    fmt::format("attribute {}", number)));
    return value;
  }
  Result<void*> allocate(size_t bytes, bool pinned) override {
    ContextScope scope(*context_);
    const size_t size = std::max<size_t>(bytes, 1);
    if (pinned) {
      void* data = nullptr;
      LATHE_TRY(check(driver().cuMemHostAlloc(&data, size, 0),
                      fmt::format("{} bytes of pinned memory", bytes)));
      return data;
    }
    cuda::CUdeviceptr data = 0;
    LATHE_TRY(check(driver().cuMemAlloc_v2(&data, size),
                    fmt::format("{} bytes on {}", bytes, properties.name)));
    return reinterpret_cast<void*>(static_cast<uintptr_t>(data));
  }
  void free(void* data, bool pinned) noexcept override {
    ContextScope scope(*context_);
    if (pinned) {
      driver().cuMemFreeHost(data);
    } else {
      driver().cuMemFree_v2(address(data));
    }
  }
  Result<std::shared_ptr<StreamBackend>> open_stream(bool blocking) override {
    ContextScope scope(*context_);
    cuda::OwnedStream own;
    LATHE_TRY(check(driver().cuStreamCreate(own.out(), blocking ? 0 : cuda::kStreamNonBlocking),
                    "cuStreamCreate"));
    return std::shared_ptr<StreamBackend>(std::make_shared<CudaStream>(context_, std::move(own)));
  }
  std::shared_ptr<StreamBackend> borrow_stream(void* native) override {
    return std::make_shared<CudaStream>(context_, static_cast<cuda::CUstream>(native));
  }
  Result<std::shared_ptr<EventBackend>> make_event(bool timing) override {
    ContextScope scope(*context_);
    cuda::OwnedEvent event;
    LATHE_TRY(check(driver().cuEventCreate(event.out(), timing ? 0 : cuda::kEventDisableTiming),
                    "cuEventCreate"));
    return std::shared_ptr<EventBackend>(std::make_shared<CudaEvent>(context_, std::move(event)));
  }
  Status synchronize() override {
    ContextScope scope(*context_);
    return check(driver().cuCtxSynchronize(), "cuCtxSynchronize");
  }

 private:
  const cuda::Driver& driver() const { return context_->driver; }
  cuda::CUdevice device() const { return context_->device; }

  ContextRef context_;
};

}  // namespace

Result<std::shared_ptr<DeviceBackend>> open_cuda_backend(int ordinal) {
  auto backend = std::make_shared<CudaBackend>(LATHE_TRY(Context::open(ordinal)));
  LATHE_TRY(backend->read_properties(ordinal));
  return std::shared_ptr<DeviceBackend>(std::move(backend));
}

}  // namespace lathe
