// SPDX-License-Identifier: Apache-2.0
#include "base/budget.h"

#include <gtest/gtest.h>

#include <limits>

namespace lathe {
namespace {

TEST(Budget, ChargesUntilItIsSpent) {
  Budget b({.bytes = 100, .nodes = 2});
  EXPECT_TRUE(b.charge_bytes(60).ok());
  EXPECT_EQ(b.charge_bytes(41).code(), Code::OutOfMemory);
  EXPECT_EQ(b.bytes_used(), 60);
  EXPECT_TRUE(b.charge_bytes(40).ok());
  b.release_bytes(50);
  EXPECT_TRUE(b.charge_bytes(50).ok());
  EXPECT_TRUE(b.charge_nodes(2).ok());
  EXPECT_EQ(b.charge_nodes(1).code(), Code::InvalidInput);
}

TEST(Budget, CannotBeOverflowedOrRefilled) {
  Budget b({.bytes = 100});
  EXPECT_TRUE(b.charge_bytes(100).ok());
  EXPECT_FALSE(b.charge_bytes(std::numeric_limits<int64_t>::max()).ok());
  EXPECT_FALSE(b.charge_bytes(-50).ok());
  EXPECT_TRUE(Budget().charge_bytes(std::numeric_limits<int64_t>::max()).ok());
}

TEST(Budget, WatchesTheClock) {
  EXPECT_TRUE(Budget().check_time().ok());
  EXPECT_FALSE(Budget({.seconds = -1}).check_time().ok());
}

}  // namespace
}  // namespace lathe
