// SPDX-License-Identifier: Apache-2.0
#pragma once
// A device for tests: host memory, the tactics of the test, and a clock that adds up what they say
// they take, so that nothing depends on the machine.
//
//   TestDevice device({&fast, &reference});
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "device/tactic.h"

namespace lathe {

class TestDevice : public Device {
 public:
  explicit TestDevice(std::vector<const Tactic*> tactics) : tactics_(std::move(tactics)) {
    info_.name = "test";
    info_.threads = 1;
  }
  std::span<const Tactic* const> tactics() const override { return tactics_; }

  // What tactics add to while they run.
  static double& clock() {
    static double seconds = 0;
    return seconds;
  }
  int allocations = 0;
  int timings = 0;

  Result<std::unique_ptr<Memory>> allocate(size_t bytes) override {
    ++allocations;
    if (bytes > size_t{1} << 32) return out_of_memory("{} bytes of a test's memory", bytes);
    return std::unique_ptr<Memory>(std::make_unique<Heap>(bytes));
  }
  Result<std::unique_ptr<Stream>> open_stream(void*) override {
    return std::unique_ptr<Stream>(std::make_unique<Now>());
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
  Result<double> time(Stream&, WorkRef work, int repeats, const ColdMemory&) override {
    ++timings;
    const double begin = clock();
    for (int k = 0; k < repeats; ++k) LATHE_TRY(work());
    return (clock() - begin) / repeats;
  }
  Result<std::unique_ptr<Captured>> capture(Stream&, WorkRef) override {
    return std::unique_ptr<Captured>();
  }

 private:
  struct Heap : Memory {
    explicit Heap(size_t bytes) {
      const size_t room = (bytes / 256 + 1) * 256;
      data_ = std::aligned_alloc(256, room);
      size_ = bytes;
    }
    ~Heap() override { std::free(data_); }
  };
  struct Now : Stream {
    Status synchronize() override { return {}; }
  };
  std::vector<const Tactic*> tactics_;
};

// Runs the reference on dense row-major tensors; `wrong` may then spoil the results.
class TestPrepared : public Prepared {
 public:
  explicit TestPrepared(OpInstance op, double seconds = 1e-6)
      : op_(std::move(op)), seconds_(seconds) {}
  void (*spoil)(const OpInstance& op, const Buffers& at) = nullptr;

  Status launch(const Buffers& at, Stream&) const override {
    TestDevice::clock() += seconds_;
    std::vector<HostTensor> in(op_.in.size());
    for (size_t k = 0; k < in.size(); ++k) {
      if (op_.in[k].absent()) continue;
      in[k] = LATHE_TRY(HostTensor::make(op_.in[k]));
      const std::span<std::byte> to = in[k].mutable_bytes();
      if (!to.empty()) std::memcpy(to.data(), at.in[k], to.size());
    }
    const std::vector<HostTensor> out = LATHE_TRY(run_reference(op_, in));
    for (size_t k = 0; k < out.size(); ++k) {
      if (!out[k].bytes().empty())
        std::memcpy(at.out[k], out[k].bytes().data(), out[k].bytes().size());
    }
    if (spoil != nullptr) spoil(op_, at);
    return {};
  }

 private:
  OpInstance op_;
  double seconds_;
};

// A tactic that computes what it should, in a microsecond of the test's clock.
inline const Tactic& test_reference() {
  static constexpr Tactic tactic{
      .name = "reference",
      .op = "*",
      .doc = "For tests.",
      .supports = [](const OpInstance&, const DeviceInfo&) { return Support::yes(); },
      .load = [](const LoadContext& c) -> Result<std::unique_ptr<Prepared>> {
        return std::unique_ptr<Prepared>(std::make_unique<TestPrepared>(c.op));
      },
  };
  return tactic;
}

}  // namespace lathe
