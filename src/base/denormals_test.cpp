// SPDX-License-Identifier: Apache-2.0
#include "base/denormals.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/parallel.h"

namespace lathe {
namespace {

// Computed, not folded.
float half_of(float x) {
  volatile float v = x;
  return v * 0.5f;
}
constexpr float kLeast = 0x1p-126f;

TEST(Denormals, AreFlushedInTheScopeAlone) {
  EXPECT_GT(half_of(kLeast), 0);
  {
    const Denormals outer(true);
    EXPECT_TRUE(Denormals::flushed());
    EXPECT_EQ(half_of(kLeast), 0);
    {
      const Denormals inner(false);
      EXPECT_GT(half_of(kLeast), 0);
    }
    EXPECT_EQ(half_of(kLeast), 0);
  }
  EXPECT_FALSE(Denormals::flushed());
  EXPECT_GT(half_of(kLeast), 0);
}

TEST(Denormals, LoopsTakeThemAsTheCallerDoes) {
  ThreadScope scope(3);
  for (bool flush : {true, false, true}) {
    const Denormals mode(flush);
    std::atomic<int> as_asked = 0;
    parallel_for(30, 1, [&](int64_t, int64_t) {
      if ((half_of(kLeast) == 0) == flush) ++as_asked;
    });
    EXPECT_EQ(as_asked, 3);
  }
}

}  // namespace
}  // namespace lathe
