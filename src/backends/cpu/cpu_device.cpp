// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/cpu_device.h"

#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "backends/cpu/cpu_features.h"
#include "backends/cpu/dnnl/dnnl_shim.h"
#include "base/parallel.h"
#include "base/signals.h"
#include "device/tactic.h"

namespace lathe::cpu {

#define TACTIC(file, name) const Tactic& name();
#include "backends/cpu/tactics.def"
#undef TACTIC

namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kHugePage = size_t{2} << 20;

class HostMemory : public Memory {
 public:
  static Result<std::unique_ptr<Memory>> make(size_t bytes) {
    const bool big = bytes >= 2 * kHugePage;
    if (bytes > SIZE_MAX / 2) return out_of_memory("{} bytes of host memory", bytes);
    void* data = nullptr;
    if (posix_memalign(&data, big ? kHugePage : kAlignment, std::max(bytes, kAlignment)) != 0) {
      return out_of_memory("{} bytes of host memory", bytes);
    }
    // Fewer TLB misses; a kernel that refuses costs nothing. The tail stays in small pages.
    if (big) (void)madvise(data, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
    auto memory = std::make_unique<HostMemory>();
    memory->data_ = data;
    memory->size_ = bytes;
    return std::unique_ptr<Memory>(std::move(memory));
  }
  HostMemory() = default;
  ~HostMemory() override { std::free(data_); }
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;
};

class HostStream : public Stream {
 public:
  Status synchronize() override { return {}; }
};

std::span<const Tactic* const> manifest() {
  static const Tactic* const kTactics[] = {
#define TACTIC(file, name) &name(),
#include "backends/cpu/tactics.def"
#undef TACTIC
  };
  return kTactics;
}

int64_t physical_memory() {
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

class CpuDevice : public Device {
 public:
  explicit CpuDevice(int threads) {
    info_.kind = DeviceKind::Cpu;
    info_.name = cpu_name();
    info_.features = cpu_features();
    info_.libraries = onednn_version();
    info_.threads = threads > 0 ? threads : thread_count();
    info_.memory_bytes = physical_memory();
    // A core's fused multiply-adds of 16 floats a cycle at 3.5 GHz; memory feeds a few cores.
    const double flops_per_thread = info_.has("avx2") ? 1.1e11 : 2e10;
    info_.flops_f32 = flops_per_thread * info_.threads;
    info_.bytes_per_second = 1e10 * std::min(info_.threads, 8);
  }

  std::span<const Tactic* const> tactics() const override { return manifest(); }
  Result<std::unique_ptr<Memory>> allocate(size_t bytes) override {
    return HostMemory::make(bytes);
  }
  Result<std::unique_ptr<Stream>> open_stream(void* native) override {
    if (native != nullptr) return invalid("the CPU has no streams of the caller's to borrow");
    return std::unique_ptr<Stream>(std::make_unique<HostStream>());
  }
  Status upload(void* to, const void* from, size_t bytes, Stream&) override {
    if (bytes > 0) std::memmove(to, from, bytes);
    return {};
  }
  Status download(void* to, const void* from, size_t bytes, Stream&) override {
    if (bytes > 0) std::memmove(to, from, bytes);
    return {};
  }
  Status fill(void* to, uint8_t value, size_t bytes, Stream&) override {
    if (bytes > 0) std::memset(to, value, bytes);
    return {};
  }
  Result<double> time(Stream&, WorkRef work, int repeats) override {
    const HeldSignals held;
    const auto begin = std::chrono::steady_clock::now();
    for (int k = 0; k < repeats; ++k) LATHE_TRY(work());
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  Result<std::unique_ptr<Captured>> capture(Stream&, WorkRef) override {
    return std::unique_ptr<Captured>();
  }
};

}  // namespace

std::unique_ptr<Device> make_cpu_device(int threads) {
  return std::make_unique<CpuDevice>(threads);
}

}  // namespace lathe::cpu
