// SPDX-License-Identifier: Apache-2.0
// The CPU behind lathe/device.h: host memory, streams that do everything at once or, while being
// captured, write it down; graphs that do what was written down.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "api/device_backend.h"
#include "backends/cpu/cpu_device.h"

namespace lathe {
namespace {

using Work = std::function<Status()>;
using Clock = std::chrono::steady_clock;

constexpr size_t kAlignment = 256;

struct HostEvent : EventBackend {
  HostEvent() : EventBackend(false) {}
  Result<bool> done() const override { return true; }
  Status synchronize() const override { return {}; }
  Result<float> milliseconds_since(const EventBackend& start) const override {
    const HostEvent& from = static_cast<const HostEvent&>(start);
    if (!recorded || !from.recorded) return invalid("an event was never recorded");
    return std::chrono::duration<float, std::milli>(at - from.at).count();
  }
  void* native() const override { return const_cast<HostEvent*>(this); }

  bool recorded = false;
  Clock::time_point at;
};

struct HostGraph : GraphBackend {
  HostGraph() : GraphBackend(false) {}
  void* native() const override { return const_cast<HostGraph*>(this); }
  int node_count() const override { return static_cast<int>(nodes.size()); }

  std::vector<Work> nodes;
};

struct HostStream : StreamBackend {
  HostStream() : StreamBackend(false) {}

  Status copy(void* to, const void* from, size_t bytes) override {
    return run([=]() -> Status {
      std::memmove(to, from, bytes);
      return {};
    });
  }
  Status fill(void* to, uint8_t value, size_t bytes) override {
    return run([=]() -> Status {
      std::memset(to, value, bytes);
      return {};
    });
  }
  Status record(const std::shared_ptr<EventBackend>& event) override {
    return run([event]() -> Status {
      HostEvent& host = static_cast<HostEvent&>(*event);
      host.at = Clock::now();
      host.recorded = true;
      return {};
    });
  }
  Status wait(const std::shared_ptr<EventBackend>&) override { return {}; }
  Status synchronize() override {
    return capture_ == nullptr ? Status() : invalid("a stream that is being captured cannot wait");
  }
  Result<bool> done() const override { return true; }
  Status run(Work work) override {
    if (capture_ == nullptr) return work();
    capture_->nodes.push_back(std::move(work));
    return {};
  }
  Status begin_capture() override {
    if (capture_ != nullptr) return invalid("the stream is being captured already");
    capture_ = std::make_shared<HostGraph>();
    return {};
  }
  Result<std::shared_ptr<GraphBackend>> end_capture() override {
    if (capture_ == nullptr) return invalid("the stream is not being captured");
    return std::shared_ptr<GraphBackend>(std::move(capture_));
  }
  bool is_capturing() const override { return capture_ != nullptr; }
  Status launch(const std::shared_ptr<GraphBackend>& graph) override {
    return run([graph]() -> Status {
      for (const Work& work : static_cast<const HostGraph&>(*graph).nodes) LATHE_TRY(work());
      return {};
    });
  }
  void* native() const override { return const_cast<HostStream*>(this); }

 private:
  std::shared_ptr<HostGraph> capture_;
};

struct HostBackend : DeviceBackend {
  HostBackend() {
    const DeviceInfo info = cpu::make_cpu_device(0)->info();
    properties.id = "cpu";
    properties.name = info.name;
    properties.multiprocessors = info.threads;
    properties.total_bytes = static_cast<size_t>(info.memory_bytes);
  }
  Result<DeviceMemoryInfo> memory_info() const override {
    const long pages = sysconf(_SC_AVPHYS_PAGES);
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return DeviceMemoryInfo{static_cast<size_t>(std::max(pages, 0L)) * page,
                            properties.total_bytes};
  }
  Result<int> attribute(int number) const override {
    return unsupported("the CPU has no CUDA attribute {}", number);
  }
  Result<void*> allocate(size_t bytes, bool) override {
    void* data = nullptr;
    if (bytes > SIZE_MAX / 2 ||
        posix_memalign(&data, kAlignment, std::max(bytes, kAlignment)) != 0) {
      return out_of_memory("{} bytes of host memory", bytes);
    }
    return data;
  }
  void free(void* data, bool) noexcept override { std::free(data); }
  Result<std::shared_ptr<StreamBackend>> open_stream(bool) override {
    auto stream = std::make_shared<HostStream>();
    const std::lock_guard lock(mutex_);
    std::erase_if(streams_, [](const auto& entry) { return entry.second.expired(); });
    streams_[stream->native()] = stream;
    return std::shared_ptr<StreamBackend>(std::move(stream));
  }
  // One of ours by its address, so that a capture sees what is queued by the handle.
  std::shared_ptr<StreamBackend> borrow_stream(void* native) override {
    const std::lock_guard lock(mutex_);
    const auto known = streams_.find(native);
    std::shared_ptr<StreamBackend> stream;
    if (known != streams_.end()) stream = known->second.lock();
    return stream != nullptr ? stream : std::make_shared<HostStream>();
  }
  Result<std::shared_ptr<EventBackend>> make_event(bool) override {
    return std::shared_ptr<EventBackend>(std::make_shared<HostEvent>());
  }
  Status synchronize() override { return {}; }

 private:
  std::mutex mutex_;
  std::map<void*, std::weak_ptr<HostStream>> streams_;
};

}  // namespace

Result<std::shared_ptr<DeviceBackend>> open_host_backend() {
  return std::shared_ptr<DeviceBackend>(std::make_shared<HostBackend>());
}

}  // namespace lathe
