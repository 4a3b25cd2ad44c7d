// SPDX-License-Identifier: Apache-2.0
#include "base/parallel.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <atomic>
#include <limits>
#include <vector>

namespace lathe {
namespace {

TEST(ParallelFor, CoversEachIndexOnce) {
  for (int threads : {1, 2, 3, 7}) {
    ThreadScope scope(threads);
    for (int64_t n : {0, 1, 2, 5, 100, 1001}) {
      for (int64_t grain : {0, 1, 10, 5000}) {
        std::vector<std::atomic<int>> seen(static_cast<size_t>(n));
        std::atomic<int> parts = 0;
        parallel_for(n, grain, [&](int64_t begin, int64_t end) {
          ++parts;
          for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
        });
        for (auto& s : seen) ASSERT_EQ(s, 1);
        EXPECT_LE(parts, threads);
        EXPECT_TRUE(grain == 0 || parts <= (n + grain - 1) / grain);
      }
    }
  }
}

TEST(ParallelFor, UsesTheThreadsOfItsScope) {
  ThreadScope scope(3);
  EXPECT_EQ(thread_count(), 3);
  EXPECT_EQ(omp_get_max_threads(), 3);
  std::atomic<int> parts = 0;
  parallel_for(30, 1, [&](int64_t, int64_t) { ++parts; });
  EXPECT_EQ(parts, 3);
  parts = 0;
  parallel_for(30, 20, [&](int64_t, int64_t) { ++parts; });
  EXPECT_EQ(parts, 2);
}

TEST(ParallelFor, RunsNestedLoopsInline) {
  ThreadScope scope(2);
  std::atomic<int64_t> sum = 0;
  std::atomic<int> wrong = 0;
  parallel_for(4, 1, [&](int64_t begin, int64_t end) {
    int thread = omp_get_thread_num();
    for (int64_t i = begin; i < end; ++i) {
      parallel_for(10, 1, [&](int64_t b, int64_t e) {
        if (b != 0 || e != 10 || omp_get_thread_num() != thread) ++wrong;
        sum += e - b;
      });
    }
  });
  EXPECT_EQ(sum, 40);
  EXPECT_EQ(wrong, 0);
}

TEST(ParallelFor, SurvivesTheLargestCount) {
  ThreadScope scope(2);
  std::atomic<uint64_t> covered = 0;
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  parallel_for(kMost, kMost / 2,
               [&](int64_t begin, int64_t end) { covered += static_cast<uint64_t>(end - begin); });
  EXPECT_EQ(covered, static_cast<uint64_t>(kMost));
}

TEST(ThreadScope, NestsAndRestores) {
  int before = thread_count(), openmp = omp_get_max_threads();
  {
    ThreadScope outer(4);
    {
      ThreadScope inner(2);
      EXPECT_EQ(thread_count(), 2);
    }
    EXPECT_EQ(thread_count(), 4);
    ThreadScope usual(0);
    EXPECT_EQ(thread_count(), before);
  }
  EXPECT_EQ(thread_count(), before);
  EXPECT_EQ(omp_get_max_threads(), openmp);
}

}  // namespace
}  // namespace lathe
