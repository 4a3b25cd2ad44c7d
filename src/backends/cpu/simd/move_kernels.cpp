// SPDX-License-Identifier: Apache-2.0
// Transposition in registers of 16 bytes, for each target.
#include "backends/cpu/simd/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/move_kernels.cpp"
#include "hwy/foreach_target.h"
// Highway's order
#include <algorithm>

#include "backends/cpu/simd/move_kernels.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lathe::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
void move_elements(const T* from, int64_t from_stride, T* to, int64_t to_stride, int64_t rows,
                   int64_t columns) {
  for (int64_t j = 0; j < columns; ++j) {
    for (int64_t i = 0; i < rows; ++i) to[j * to_stride + i] = from[i * from_stride + j];
  }
}

#if HWY_TARGET != HWY_SCALAR
template <class T, int kSide>
HWY_INLINE void move_square(const T* from, int64_t from_stride, T* to, int64_t to_stride) {
  const hn::FixedTag<T, kSide> d;
  using V = hn::Vec<decltype(d)>;
  V a[kSide], b[kSide];
#pragma GCC unroll 16
  for (int i = 0; i < kSide; ++i) a[i] = hn::LoadU(d, from + i * from_stride);
    // A perfect shuffle of rows and columns for each bit of the index.
#pragma GCC unroll 4
  for (int side = kSide; side > 1; side /= 2) {
#pragma GCC unroll 8
    for (int k = 0; k < kSide / 2; ++k) {
      b[2 * k] = hn::InterleaveLower(d, a[k], a[k + kSide / 2]);
      b[2 * k + 1] = hn::InterleaveUpper(d, a[k], a[k + kSide / 2]);
    }
#pragma GCC unroll 16
    for (int k = 0; k < kSide; ++k) a[k] = b[k];
  }
#pragma GCC unroll 16
  for (int i = 0; i < kSide; ++i) hn::StoreU(a[i], d, to + i * to_stride);
}

// Two to four rows interleaved, as the channels of a picture are in its pixels: how many columns.
template <class T>
int64_t interleave(const T* from, int64_t stride, T* to, int64_t rows, int64_t columns) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t j = 0;
  for (; j + lanes <= columns; j += lanes) {
    const auto row = [&](int64_t i) { return hn::LoadU(d, from + i * stride + j); };
    if (rows == 2) hn::StoreInterleaved2(row(0), row(1), d, to + j * 2);
    if (rows == 3) hn::StoreInterleaved3(row(0), row(1), row(2), d, to + j * 3);
    if (rows == 4) hn::StoreInterleaved4(row(0), row(1), row(2), row(3), d, to + j * 4);
  }
  return j;
}

// The way back: how many rows, which are the pixels.
template <class T>
int64_t deinterleave(const T* from, T* to, int64_t stride, int64_t rows, int64_t columns) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<decltype(d)> v[4];
  int64_t i = 0;
  for (; i + lanes <= rows; i += lanes) {
    if (columns == 2) hn::LoadInterleaved2(d, from + i * 2, v[0], v[1]);
    if (columns == 3) hn::LoadInterleaved3(d, from + i * 3, v[0], v[1], v[2]);
    if (columns == 4) hn::LoadInterleaved4(d, from + i * 4, v[0], v[1], v[2], v[3]);
    for (int64_t j = 0; j < columns; ++j) hn::StoreU(v[j], d, to + j * stride + i);
  }
  return i;
}

bool is_few(int64_t n) { return n >= 2 && n <= 4; }
#endif

// Tiles of columns, so that the lines written stay in the cache until they are full.
template <class T>
void transpose(const Transposition& t) {
  const T* from = static_cast<const T*>(t.from);
  T* to = static_cast<T*>(t.to);
#if HWY_TARGET == HWY_SCALAR
  move_elements(from, t.from_stride, to, t.to_stride, t.rows, t.columns);
#else
  if (is_few(t.rows) && t.to_stride == t.rows) {
    const int64_t done = interleave(from, t.from_stride, to, t.rows, t.columns);
    return move_elements(from + done, t.from_stride, to + done * t.to_stride, t.to_stride, t.rows,
                         t.columns - done);
  }
  if (is_few(t.columns) && t.from_stride == t.columns) {
    const int64_t done = deinterleave(from, to, t.to_stride, t.rows, t.columns);
    return move_elements(from + done * t.from_stride, t.from_stride, to + done, t.to_stride,
                         t.rows - done, t.columns);
  }
  constexpr int kSide = 16 / sizeof(T);
  constexpr int64_t kTile = 64;
  const int64_t whole_rows = t.rows / kSide * kSide;
  for (int64_t j0 = 0; j0 < t.columns; j0 += kTile) {
    const int64_t tile = std::min(kTile, t.columns - j0), whole = tile / kSide * kSide;
    for (int64_t i = 0; i < whole_rows; i += kSide) {
      const T* row = from + i * t.from_stride + j0;
      T* column = to + j0 * t.to_stride + i;
      for (int64_t j = 0; j < whole; j += kSide) {
        move_square<T, kSide>(row + j, t.from_stride, column + j * t.to_stride, t.to_stride);
      }
      move_elements(row + whole, t.from_stride, column + whole * t.to_stride, t.to_stride, kSide,
                    tile - whole);
    }
    move_elements(from + whole_rows * t.from_stride + j0, t.from_stride,
                  to + j0 * t.to_stride + whole_rows, t.to_stride, t.rows - whole_rows, tile);
  }
#endif
}

}  // namespace

void transpose_any(const Transposition& t, size_t bytes) {
  switch (bytes) {
    case 1: return transpose<uint8_t>(t);
    case 2: return transpose<uint16_t>(t);
    case 4: return transpose<uint32_t>(t);
    default: return transpose<uint64_t>(t);
  }
}

}  // namespace lathe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lathe::cpu {

HWY_EXPORT(transpose_any);
void transpose_plane(const Transposition& t, size_t bytes) {
  HWY_DYNAMIC_DISPATCH(transpose_any)(t, bytes);
}

}  // namespace lathe::cpu
#endif
