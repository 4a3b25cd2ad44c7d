// SPDX-License-Identifier: Apache-2.0
// What lathe/device.h promises, of every device that this machine has.
#include "lathe/device.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <vector>

namespace lathe::testing {
namespace {

class DeviceApi : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    Result<ComputeDevice> device = ComputeDevice::open(GetParam());
    if (!device.ok()) GTEST_SKIP() << device.status().message();
    device_ = *device;
  }
  std::vector<int> numbers(size_t n, int first) {
    std::vector<int> values(n);
    std::iota(values.begin(), values.end(), first);
    return values;
  }
  ComputeDevice device_;
};

TEST_P(DeviceApi, SaysWhatItIs) {
  const DeviceProperties& p = device_.properties();
  EXPECT_EQ(p.is_gpu, std::string(GetParam()) != "cpu");
  EXPECT_FALSE(p.name.empty());
  EXPECT_GT(p.multiprocessors, 0);
  Result<DeviceMemoryInfo> memory = device_.memory_info();
  ASSERT_TRUE(memory.ok());
  EXPECT_GT(memory->free_bytes, 0u);
  EXPECT_LE(memory->free_bytes, memory->total_bytes);
}

TEST_P(DeviceApi, BringsBackWhatWasCopiedThere) {
  const std::vector<int> in = numbers(5000, 7);
  const size_t bytes = in.size() * sizeof(int);
  Result<DeviceStream> stream = device_.open_stream();
  Result<DeviceMemory> a = device_.allocate(bytes), b = device_.allocate(bytes);
  Result<DeviceMemory> pinned = device_.allocate_pinned(bytes);
  ASSERT_TRUE(stream.ok() && a.ok() && b.ok() && pinned.ok());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(a->data()) % 256, 0u);
  EXPECT_EQ(a->bytes(), bytes);
  std::memset(pinned->data(), 0xcd, bytes);
  ASSERT_TRUE(stream->copy(a->data(), in.data(), bytes).ok());
  ASSERT_TRUE(stream->copy(b->data(), a->data(), bytes).ok());
  ASSERT_TRUE(stream->copy(pinned->data(), b->data(), bytes).ok());
  ASSERT_TRUE(stream->synchronize().ok());
  EXPECT_EQ(std::memcmp(pinned->data(), in.data(), bytes), 0);
}

TEST_P(DeviceApi, MeasuresTimeBetweenEvents) {
  Result<DeviceStream> stream = device_.open_stream();
  Result<DeviceEvent> start = device_.make_event(), end = device_.make_event();
  ASSERT_TRUE(stream.ok() && start.ok() && end.ok());
  EXPECT_EQ(end->milliseconds_since(*start).status().code(), Code::InvalidInput);
  ASSERT_TRUE(stream->record(*start).ok());
  ASSERT_TRUE(stream->record(*end).ok());
  ASSERT_TRUE(stream->wait(*end).ok());
  ASSERT_TRUE(end->synchronize().ok());
  EXPECT_TRUE(*end->done());
  EXPECT_GE(*end->milliseconds_since(*start), 0.0f);
}

TEST_P(DeviceApi, RepeatsWhatWasCaptured) {
  const std::vector<int> first = numbers(64, 1), second = numbers(64, 1000);
  const size_t bytes = first.size() * sizeof(int);
  Result<DeviceStream> stream = device_.open_stream(false);
  Result<DeviceMemory> from = device_.allocate(bytes), to = device_.allocate(bytes);
  ASSERT_TRUE(stream.ok() && from.ok() && to.ok());
  ASSERT_TRUE(stream->copy(from->data(), first.data(), bytes).ok());
  ASSERT_TRUE(stream->fill(to->data(), 0xee, bytes).ok());
  ASSERT_TRUE(stream->synchronize().ok());
  ASSERT_TRUE(stream->begin_capture().ok());
  EXPECT_TRUE(stream->is_capturing());
  ASSERT_TRUE(stream->copy(to->data(), from->data(), bytes).ok());
  Result<DeviceGraph> graph = stream->end_capture();
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  EXPECT_FALSE(stream->is_capturing());
  EXPECT_EQ(graph->node_count(), 1);

  std::vector<int> out(first.size());
  const auto read = [&] {
    EXPECT_TRUE(stream->copy(out.data(), to->data(), bytes).ok());
    EXPECT_TRUE(stream->synchronize().ok());
    return out;
  };
  EXPECT_EQ(read()[0], static_cast<int>(0xeeeeeeee)) << "captured work must not be done";
  ASSERT_TRUE(stream->launch(*graph).ok());
  EXPECT_EQ(read(), first);
  ASSERT_TRUE(stream->copy(from->data(), second.data(), bytes).ok());
  ASSERT_TRUE(stream->launch(*graph).ok());
  EXPECT_EQ(read(), second);
}

TEST_P(DeviceApi, RefusesNullAndWhatIsEmpty) {
  Result<DeviceStream> stream = device_.open_stream();
  ASSERT_TRUE(stream.ok());
  int value = 0;
  EXPECT_EQ(stream->copy(nullptr, &value, sizeof value).code(), Code::InvalidInput);
  EXPECT_TRUE(stream->copy(nullptr, nullptr, 0).ok());
  EXPECT_EQ(stream->end_capture().status().code() == Code::Ok, false);
  DeviceEvent empty;
  EXPECT_EQ(stream->record(empty).code(), Code::InvalidInput);
  EXPECT_EQ(DeviceStream().synchronize().code(), Code::InvalidInput);
}

TEST_P(DeviceApi, SaysWhenMemoryIsShort) {
  EXPECT_EQ(device_.allocate(SIZE_MAX / 4).status().code(), Code::OutOfMemory);
}

INSTANTIATE_TEST_SUITE_P(Devices, DeviceApi, ::testing::Values("cpu", "cuda"));

TEST(ComputeDevice, RefusesANameItDoesNotKnow) {
  for (const char* id : {"", "gpu", "cudax", "cuda:", "cuda:-1", "cuda:1x"}) {
    EXPECT_EQ(ComputeDevice::open(id).status().code(), Code::InvalidInput) << id;
  }
}

TEST(ComputeDevice, FindsAHostStreamByItsHandle) {
  const ComputeDevice cpu = *ComputeDevice::open("cpu");
  DeviceStream stream = *cpu.open_stream();
  ASSERT_TRUE(stream.begin_capture().ok());
  int calls = 0;
  ASSERT_TRUE(cpu.borrow_stream(stream.native())
                  .run([&] {
                    ++calls;
                    return Status();
                  })
                  .ok());
  EXPECT_EQ(calls, 0);
  DeviceGraph graph = *stream.end_capture();
  for (int n = 0; n < 2; ++n) ASSERT_TRUE(stream.launch(graph).ok());
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace lathe::testing
