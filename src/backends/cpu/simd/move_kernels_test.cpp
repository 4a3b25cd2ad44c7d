// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/move_kernels.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace lathe::cpu {
namespace {

// Every element at its place, and nothing written beside the plane.
template <class T>
void expect_transposed(int64_t rows, int64_t columns, int64_t from_stride, int64_t to_stride) {
  SCOPED_TRACE(testing::Message() << sizeof(T) << " bytes, " << rows << " x " << columns
                                  << ", strides " << from_stride << " and " << to_stride);
  Random random(7);
  std::vector<T> from(static_cast<size_t>(rows * from_stride));
  for (T& v : from) v = static_cast<T>(random.integer(0, 100));
  constexpr T kPoison = 101;
  std::vector<T> to(static_cast<size_t>(columns * to_stride), kPoison);
  transpose_plane({from.data(), from_stride, to.data(), to_stride, rows, columns}, sizeof(T));
  for (int64_t j = 0; j < columns; ++j) {
    for (int64_t i = 0; i < to_stride; ++i) {
      const T want = i < rows ? from[static_cast<size_t>(i * from_stride + j)] : kPoison;
      ASSERT_EQ(to[static_cast<size_t>(j * to_stride + i)], want) << "row " << i << " of " << j;
    }
  }
}

template <class T>
void expect_all_sizes() {
  for (const int64_t few : {1, 2, 3, 4, 5}) {
    for (const int64_t many : {1, 7, 16, 67, 200}) {
      for (const int64_t gap : {0, 3}) {
        expect_transposed<T>(few, many, many + gap, few);
        expect_transposed<T>(few, many, many, few + gap);
        expect_transposed<T>(many, few, few, many + gap);
        expect_transposed<T>(many, few, few + gap, many);
      }
    }
  }
  expect_transposed<T>(130, 77, 80, 131);
}

TEST(TransposePlane, OfBytes) { expect_all_sizes<uint8_t>(); }
TEST(TransposePlane, OfTwoBytes) { expect_all_sizes<uint16_t>(); }
TEST(TransposePlane, OfFourBytes) { expect_all_sizes<uint32_t>(); }
TEST(TransposePlane, OfEightBytes) { expect_all_sizes<uint64_t>(); }

}  // namespace
}  // namespace lathe::cpu
