// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/api/owned.h"

#include <gtest/gtest.h>

#include <type_traits>
#include <utility>
#include <vector>

namespace lathe::cuda {
namespace {

std::vector<int> destroyed;
void destroy(int handle) noexcept { destroyed.push_back(handle); }
using Handle = Owned<int, destroy>;

static_assert(std::is_nothrow_move_constructible_v<Handle>);
static_assert(std::is_nothrow_move_assignable_v<Handle>);
static_assert(!std::is_copy_constructible_v<Handle>);

class OwnedTest : public testing::Test {
 protected:
  void SetUp() override { destroyed.clear(); }
};

TEST_F(OwnedTest, DestroysOnceAtTheEndOfTheScope) {
  {
    Handle a;
    *a.out() = 7;
    EXPECT_EQ(a.get(), 7);
    EXPECT_TRUE(destroyed.empty());
  }
  EXPECT_EQ(destroyed, std::vector{7});
}

TEST_F(OwnedTest, AnEmptyOneDestroysNothing) {
  { Handle a; }
  EXPECT_TRUE(destroyed.empty());
}

TEST_F(OwnedTest, MovesWithoutDestroyingWhatMoves) {
  Handle a(1);
  Handle b(std::move(a));
  EXPECT_FALSE(a);
  EXPECT_EQ(b.get(), 1);
  EXPECT_TRUE(destroyed.empty());
}

TEST_F(OwnedTest, AssignmentDestroysWhatItReplaces) {
  Handle a(1);
  a = Handle(2);
  EXPECT_EQ(destroyed, std::vector{1});
  EXPECT_EQ(a.get(), 2);
}

TEST_F(OwnedTest, SelfAssignmentKeepsTheHandle) {
  Handle a(1);
  Handle& same = a;
  a = std::move(same);
  EXPECT_EQ(a.get(), 1);
  EXPECT_TRUE(destroyed.empty());
}

TEST_F(OwnedTest, AReleasedHandleIsTheCallers) {
  {
    Handle a(1);
    EXPECT_EQ(a.release(), 1);
  }
  EXPECT_TRUE(destroyed.empty());
}

}  // namespace
}  // namespace lathe::cuda
