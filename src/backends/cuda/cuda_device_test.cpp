// SPDX-License-Identifier: Apache-2.0
// The device's promises on a GPU (skipped without one), and what holds without.
#include "backends/cuda/cuda_device.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "device/tactic.h"

namespace lathe {
namespace {

// A host that nothing here runs on.
class NoHost : public Device {
 public:
  std::span<const Tactic* const> tactics() const override { return {}; }
  Result<std::unique_ptr<Memory>> allocate(size_t) override { return unsupported("no host"); }
  Result<std::unique_ptr<Stream>> open_stream(void*) override { return unsupported("no host"); }
  Status upload(void*, const void*, size_t, Stream&) override { return {}; }
  Status download(void*, const void*, size_t, Stream&) override { return {}; }
  Status fill(void*, uint8_t, size_t, Stream&) override { return {}; }
  Result<double> time(Stream&, WorkRef, int, const ColdMemory&) override { return 0.0; }
  Result<std::unique_ptr<Captured>> capture(Stream&, WorkRef) override {
    return std::unique_ptr<Captured>();
  }
};

TEST(CudaTactics, NamesAreUniqueAndTheReferenceIsLast) {
  std::set<std::string_view> names;
  for (const Tactic* t : cuda::tactics()) {
    EXPECT_TRUE(names.insert(t->name).second) << t->name;
    EXPECT_FALSE(t->doc.empty()) << t->name;
    EXPECT_NE(t->supports, nullptr) << t->name;
    EXPECT_NE(t->load, nullptr) << t->name;
  }
  EXPECT_EQ(cuda::tactics().back()->op, "*");
}

TEST(CudaDevice, AnOrdinalThatIsNotThereIsAnError) {
  NoHost host;
  Result<std::unique_ptr<Device>> device = cuda::make_cuda_device(cuda::device_count() + 7, host);
  ASSERT_FALSE(device.ok());
  EXPECT_FALSE(device.status().message().empty());
}

class CudaDeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    Result<std::unique_ptr<Device>> device = cuda::make_cuda_device(0, host_);
    if (!device.ok()) GTEST_SKIP() << device.status().message();
    device_ = *std::move(device);
    stream_ = *device_->open_stream();
    memory_ = *device_->allocate(kBytes);
  }
  std::vector<uint8_t> read() {
    std::vector<uint8_t> out(kBytes);
    EXPECT_TRUE(device_->download(out.data(), memory_->data(), kBytes, *stream_).ok());
    EXPECT_TRUE(stream_->synchronize().ok());
    return out;
  }

  static constexpr size_t kBytes = 1 << 20;
  NoHost host_;
  std::unique_ptr<Device> device_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Memory> memory_;
};

TEST_F(CudaDeviceTest, SaysWhatItIs) {
  const DeviceInfo& info = device_->info();
  EXPECT_FALSE(device_->is_host());
  EXPECT_GE(info.sm, 80);
  EXPECT_TRUE(info.has(fmt::format("sm_{}", info.sm)));
  EXPECT_GT(info.multiprocessors, 0);
  EXPECT_GT(info.memory_bytes, int64_t{1} << 30);
  EXPECT_GT(info.flops_f32, 1e12);
  EXPECT_GT(info.bytes_per_second, 1e11);
}

TEST_F(CudaDeviceTest, TellsTf32MeasurementsApart) {
  const std::string key = device_->info().key();
  device_->allow_tf32(true);
  EXPECT_NE(device_->info().key(), key);
}

TEST_F(CudaDeviceTest, MovesBytesBetweenHostAndDeviceAndWithinIt) {
  std::vector<uint8_t> values(kBytes);
  for (size_t i = 0; i < kBytes; ++i) values[i] = static_cast<uint8_t>(i * 7);
  ASSERT_TRUE(device_->upload(memory_->data(), values.data(), kBytes, *stream_).ok());
  EXPECT_EQ(read(), values);
  std::unique_ptr<Memory> other = *device_->allocate(kBytes);
  ASSERT_TRUE(device_->upload(other->data(), memory_->data(), kBytes, *stream_).ok());
  ASSERT_TRUE(device_->fill(memory_->data(), 3, kBytes, *stream_).ok());
  EXPECT_EQ(read(), std::vector<uint8_t>(kBytes, 3));
  std::swap(memory_, other);
  EXPECT_EQ(read(), values);
}

TEST_F(CudaDeviceTest, ACapturedGraphDoesTheWorkAgain) {
  auto work = [&] { return device_->fill(memory_->data(), 5, kBytes, *stream_); };
  std::unique_ptr<Captured> graph = *device_->capture(*stream_, work);
  ASSERT_NE(graph, nullptr);
  ASSERT_TRUE(device_->fill(memory_->data(), 0, kBytes, *stream_).ok());
  ASSERT_TRUE(graph->launch(*stream_).ok());
  EXPECT_EQ(read(), std::vector<uint8_t>(kBytes, 5));
}

TEST_F(CudaDeviceTest, AFailedCaptureLeavesTheStreamUsable) {
  auto work = [&]() -> Status { return unsupported("not this"); };
  Result<std::unique_ptr<Captured>> graph = device_->capture(*stream_, work);
  ASSERT_FALSE(graph.ok());
  EXPECT_EQ(graph.status().message(), "not this");
  ASSERT_TRUE(device_->fill(memory_->data(), 9, kBytes, *stream_).ok());
  EXPECT_EQ(read(), std::vector<uint8_t>(kBytes, 9));
}

TEST_F(CudaDeviceTest, TimeGrowsWithTheWork) {
  auto once = [&] { return device_->fill(memory_->data(), 1, kBytes, *stream_); };
  auto often = [&]() -> Status {
    for (int k = 0; k < 40; ++k) LATHE_TRY(once());
    return {};
  };
  const double less = *device_->time(*stream_, once, 20, {});
  const double more = *device_->time(*stream_, often, 20, {});
  EXPECT_GT(less, 0);
  EXPECT_GT(more, 5 * less);
}

TEST_F(CudaDeviceTest, TimesWorkThatCannotBeCaptured) {
  auto work = [&]() -> Status {
    LATHE_TRY(device_->fill(memory_->data(), 1, kBytes, *stream_));
    return stream_->synchronize();
  };
  Result<double> seconds = device_->time(*stream_, work, 10, {});
  ASSERT_TRUE(seconds.ok()) << seconds.status().message();
  EXPECT_GT(*seconds, 0);
}

TEST_F(CudaDeviceTest, TooMuchMemoryIsAnError) {
  Result<std::unique_ptr<Memory>> memory = device_->allocate(size_t{1} << 45);
  ASSERT_FALSE(memory.ok());
  EXPECT_EQ(memory.status().code(), Code::OutOfMemory);
}

}  // namespace
}  // namespace lathe
