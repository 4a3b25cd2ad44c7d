// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/cpu_device.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "device/tactic.h"

namespace lathe::cpu {
namespace {

TEST(CpuDevice, MemoryIsAlignedAtEverySize) {
  std::unique_ptr<Device> cpu = make_cpu_device();
  for (size_t bytes : {size_t{0}, size_t{1}, size_t{4097}, size_t{9} << 20}) {
    Result<std::unique_ptr<Memory>> m = cpu->allocate(bytes);
    ASSERT_TRUE(m.ok());
    EXPECT_EQ((*m)->size(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>((*m)->data()) % 256, 0u);
    std::memset((*m)->data(), 1, bytes);
  }
}

TEST(CpuDevice, MemoryThatNoMachineHasIsAnError) {
  std::unique_ptr<Device> cpu = make_cpu_device();
  EXPECT_EQ(cpu->allocate(SIZE_MAX).status().code(), Code::OutOfMemory);
  EXPECT_EQ(cpu->allocate(size_t{1} << 60).status().code(), Code::OutOfMemory);
}

TEST(CpuDevice, ThreadsArePartOfItsKey) {
  EXPECT_NE(make_cpu_device(1)->info().key(), make_cpu_device(2)->info().key());
  EXPECT_EQ(make_cpu_device(3)->info().threads, 3);
}

TEST(CpuDevice, TheReferenceIsTheLastTacticAndNamesAreUnique) {
  std::unique_ptr<Device> cpu = make_cpu_device();
  std::set<std::string_view> names;
  for (const Tactic* t : cpu->tactics()) {
    EXPECT_TRUE(names.insert(t->name).second) << t->name;
    EXPECT_FALSE(t->doc.empty()) << t->name;
    EXPECT_TRUE(t->supports != nullptr && t->load != nullptr) << t->name;
    EXPECT_TRUE(t->op == "*" || find_op(t->op) != nullptr) << t->name;
  }
  EXPECT_EQ(cpu->tactics().back()->op, "*");
}

TEST(CpuDevice, TimesTheWorkAndPassesItsErrorsOn) {
  std::unique_ptr<Device> cpu = make_cpu_device();
  std::unique_ptr<Stream> stream = *cpu->open_stream();
  int calls = 0;
  auto count = [&]() -> Status {
    ++calls;
    return {};
  };
  Result<double> seconds = cpu->time(*stream, count, 5, {});
  ASSERT_TRUE(seconds.ok());
  EXPECT_GE(calls, 1);
  EXPECT_LE(calls, 5);
  EXPECT_GE(*seconds, 0);
  auto fail = [&]() -> Status { return internal("no"); };
  EXPECT_FALSE(cpu->time(*stream, fail, 5, {}).ok());
}

}  // namespace
}  // namespace lathe::cpu
