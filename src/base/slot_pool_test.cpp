// SPDX-License-Identifier: Apache-2.0
#include "base/slot_pool.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace lathe {
namespace {

struct Counted {
  explicit Counted(std::atomic<int>& alive) : alive(alive) { ++alive; }
  ~Counted() { --alive; }
  std::atomic<int>& alive;
  std::atomic<bool> used = false;
};

TEST(SlotPool, GivesBackWhatItGot) {
  std::atomic<int> alive = 0;
  SlotPool<Counted> pool;
  EXPECT_EQ(pool.take(), nullptr);
  auto one = std::make_unique<Counted>(alive);
  const Counted* address = one.get();
  pool.give(std::move(one));
  EXPECT_EQ(pool.take().get(), address);
  EXPECT_EQ(alive, 0);
}

TEST(SlotPool, KeepsNoMoreThanItsSlotsAndDestroysThem) {
  std::atomic<int> alive = 0;
  {
    SlotPool<Counted, 3> pool;
    for (int k = 0; k < 5; ++k) pool.give(std::make_unique<Counted>(alive));
    EXPECT_EQ(alive, 3);
  }
  EXPECT_EQ(alive, 0);
}

TEST(SlotPool, LendsAnObjectToOneThreadAtATime) {
  std::atomic<int> alive = 0, shared = 0;
  {
    SlotPool<Counted, 4> pool;
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&] {
        for (int k = 0; k < 2000; ++k) {
          std::unique_ptr<Counted> mine = pool.take();
          if (mine == nullptr) mine = std::make_unique<Counted>(alive);
          shared += mine->used.exchange(true);
          mine->used = false;
          pool.give(std::move(mine));
        }
      });
    }
    for (std::thread& t : threads) t.join();
  }
  EXPECT_EQ(shared, 0);
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace lathe
