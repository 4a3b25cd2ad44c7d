// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/cpu_device.h"

#include <cpuid.h>
#include <immintrin.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "backends/cpu/cpu_features.h"
#include "backends/cpu/dnnl/dnnl_shim.h"
#include "base/denormals.h"
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

// What stands between two runs of a step in a network: the other steps, which leave nothing of it
// in the cores' own caches. Timed without them, a step finds there what it never will again, and
// passing a tensor on through memory seems to cost nothing.
class OtherSteps {
 public:
  void use_caches() {
    const int64_t threads = thread_count();
    read_.resize(static_cast<size_t>(threads) * kLine);
    data_.resize(static_cast<size_t>(threads) * own_bytes_, 1);
    parallel_for(threads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const uint8_t* own = data_.data() + static_cast<size_t>(t) * own_bytes_;
        unsigned sum = 0;
        for (size_t at = 0; at < own_bytes_; at += kLine) sum += own[at];
        read_[static_cast<size_t>(t) * kLine] = static_cast<uint8_t>(sum);
      }
    });
  }

  // Of all caches, also those that cores share: their weights are more than these hold.
  void push_out(std::span<const std::byte> memory) const {
    const auto lines = static_cast<int64_t>(memory.size() / kLine);
    parallel_for(lines, kLinesOfThread, [&](int64_t begin, int64_t end) {
      const std::byte* at = memory.data() + static_cast<size_t>(begin) * kLine;
      unordered_ ? flush_unordered(at, end - begin) : flush(at, end - begin);
    });
    _mm_mfence();
  }

 private:
  static constexpr size_t kLine = 64;
  static constexpr int64_t kLinesOfThread = 1024;

  static void flush(const std::byte* at, int64_t lines) {
    for (int64_t k = 0; k < lines; ++k, at += kLine) _mm_clflush(at);
  }
  // Lines do not wait for each other: several times as fast on Intel's processors.
  __attribute__((target("clflushopt"))) static void flush_unordered(const std::byte* at,
                                                                    int64_t lines) {
    for (int64_t k = 0; k < lines; ++k, at += kLine) _mm_clflushopt(const_cast<std::byte*>(at));
  }
  static bool has_unordered_flush() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_CLFLUSHOPT) != 0;
  }
  static constexpr int64_t kMostOwn = 4 << 20;

  const size_t own_bytes_ = static_cast<size_t>(std::min(second_level_cache(), kMostOwn));
  const bool unordered_ = has_unordered_flush();
  std::vector<uint8_t> data_, read_;  // by thread; sums, so that nobody leaves the reading out
};

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
  Result<double> time(Stream&, WorkRef work, int repeats, const ColdMemory& cold) override {
    using Clock = std::chrono::steady_clock;
    const HeldSignals held;
    const Denormals denormals(/*flush=*/true);  // as in a run
    double fastest = std::numeric_limits<double>::infinity();
    for (int k = 0; k < std::min(repeats, kMostTimed); ++k) {
      others_.use_caches();
      for (std::span<const std::byte> memory : cold) others_.push_out(memory);
      const auto begin = Clock::now();
      LATHE_TRY(work());
      fastest = std::min(fastest, std::chrono::duration<double>(Clock::now() - begin).count());
    }
    return fastest;
  }
  Result<std::unique_ptr<Captured>> capture(Stream&, WorkRef) override {
    return std::unique_ptr<Captured>();
  }

 private:
  static constexpr int kMostTimed = 4;
  OtherSteps others_;
};

}  // namespace

std::unique_ptr<Device> make_cpu_device(int threads) {
  return std::make_unique<CpuDevice>(threads);
}

}  // namespace lathe::cpu
