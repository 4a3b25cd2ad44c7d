// SPDX-License-Identifier: Apache-2.0
#include "base/status.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/math.h"

namespace lathe {
namespace {

Result<int> half(int v) {
  if (v % 2 != 0) return invalid("{} is odd", v);
  return v / 2;
}
Result<int> quarter(int v) {
  int h = LATHE_TRY(half(v));
  return LATHE_TRY(half(h));
}
Status is_multiple_of_four(int v) {
  LATHE_TRY(quarter(v));
  return {};
}

TEST(Status, TravelsUpAndCollectsItsPath) {
  EXPECT_EQ(*quarter(12), 3);
  EXPECT_TRUE(is_multiple_of_four(8).ok());
  Status s = is_multiple_of_four(6).at("node 'x'").at("m.onnx").with_cure("use an even number");
  EXPECT_EQ(s.code(), Code::InvalidInput);
  EXPECT_EQ(s.message(), "m.onnx: node 'x': 3 is odd");
  EXPECT_EQ(s.cure(), "use an even number");
  EXPECT_EQ(Status().at("nowhere").message(), "");
}

TEST(StatusDeathTest, ABrokenInvariantSaysWhere) {
  EXPECT_DEATH(LATHE_CHECK(1 > 2), "lathe: bug: .*status_test.cpp.*1 > 2");
}

TEST(Math, DivisionRoundsDownAndOverflowIsNoticed) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(floor_div(-7, 2), -4);
  EXPECT_EQ(floor_mod(-7, 2), 1);
  EXPECT_EQ(floor_div(7, -2), -4);
  EXPECT_EQ(floor_mod(7, -2), -1);
  EXPECT_EQ(floor_mod(std::numeric_limits<int64_t>::min(), -1), 0);
  EXPECT_FALSE(checked_add(kMost, 1).has_value());
  EXPECT_FALSE(checked_sub(-kMost, 2).has_value());
  EXPECT_FALSE(checked_mul(kMost, 2).has_value());
  EXPECT_EQ(checked_mul(kMost, 1), kMost);
}

}  // namespace
}  // namespace lathe
