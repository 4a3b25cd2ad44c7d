// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/panel_kernels.h"

#include "backends/cpu/prefetcher.h"
#include "backends/cpu/simd/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/panel_kernels.cpp"
#include "hwy/foreach_target.h"
// Highway's order
#include <algorithm>
#include <array>
#include <utility>

#include "backends/cpu/simd/register_tile-inl.h"
#include "backends/cpu/simd/storage-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lathe::cpu::HWY_NAMESPACE {
namespace {

constexpr int64_t kLanes = hn::MaxLanes(F());

// With 32 registers, 6 rows by 4 vectors: 24 products need 10 loads, and the panel streams from the
// second-level cache, so that chunks are long and sums seldom leave the registers. With 16, 4 rows
// by 3 vectors, and a chunk of the panel stays in the first-level cache.
constexpr int kWidest = kManyRegisters ? 4 : 3;
constexpr int64_t kChunkDepth = kManyRegisters ? 768 : 256;
constexpr int kStretch = 16;  // steps of the depth between prefetches

// Of so many rows each has a pointer of its own; of more, three share one and reach the others by
// the stride, once and twice.
constexpr int kRowsWithPointers = 6, kRowsOfPointer = 3;

template <int kRows>
HWY_INLINE const float* row(const float* const* a, int64_t stride, int r) {
  return kRows <= kRowsWithPointers ? a[r] : a[r / kRowsOfPointer] + r % kRowsOfPointer * stride;
}

// One step of the depth: a column of the rows times a row of the panel.
template <int kRows, int kVectors>
HWY_INLINE void step(const float* const* a, int64_t stride, const float* b, int64_t k,
                     VF (&sums)[kRows][kVectors]) {
  VF w[kVectors];
#pragma GCC unroll 4
  for (int n = 0; n < kVectors; ++n) w[n] = hn::LoadU(F(), b + (k * kVectors + n) * kLanes);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const VF factor = hn::Set(F(), row<kRows>(a, stride, r)[k]);
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) sums[r][n] = hn::MulAdd(factor, w[n], sums[r][n]);
  }
}

// The loop is unrolled: beside another thread of the same core its other instructions, not the
// products, would limit it.
template <int kRows, int kVectors>
HWY_INLINE void multiply(const PanelTile& p, VF (&sums)[kRows][kVectors]) {
  const float *a[kRows], *b = p.b;
  const int64_t stride = p.a_row;
  constexpr int kShare = kRows <= kRowsWithPointers ? 1 : kRowsOfPointer;
  constexpr int kPointers = (kRows + kShare - 1) / kShare;
#pragma GCC unroll 16
  for (int g = 0; g < kPointers; ++g) a[g] = p.a + g * kShare * stride;
  int64_t left = p.depth;
  Prefetcher ahead(p.next, p.next_lines, std::max<int64_t>(1, left / kStretch));
  for (; left >= kStretch; left -= kStretch) {
    ahead.step();
    for (int k = 0; k < kStretch; k += kUnroll) {
#pragma GCC unroll 4
      for (int u = 0; u < kUnroll; ++u) step(a, stride, b, k + u, sums);
    }
    b += kStretch * kVectors * kLanes;
#pragma GCC unroll 16
    for (int g = 0; g < kPointers; ++g) a[g] += kStretch;
  }
  for (int64_t k = 0; k < left; ++k) step(a, stride, b, k, sums);
}

template <bool kAdd, int kRows, int kVectors>
HWY_INLINE void finish(const PanelTile& p, VF (&sums)[kRows][kVectors]) {
  const VF floor = splat(p.floor);
  VF bias[kVectors];
#pragma GCC unroll 4
  for (int n = 0; n < kVectors; ++n) {
    const bool has_bias = !kAdd && p.bias != nullptr;
    bias[n] = has_bias ? hn::LoadU(F(), p.bias + n * kLanes) : hn::Zero(F());
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) {
      float* c = p.c + r * p.c_row + n * kLanes;
      const VF start = kAdd ? hn::LoadU(F(), c) : bias[n];
      hn::StoreU(at_least(hn::Add(sums[r][n], start), floor), F(), c);
    }
  }
}

// The last panel, whose columns are fewer than its width.
template <int kRows, int kVectors>
void finish_part(const PanelTile& p, VF (&sums)[kRows][kVectors]) {
  constexpr int64_t kWidth = kVectors * kLanes;
  HWY_ALIGN float values[kRows * kWidth];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) hn::Store(sums[r][n], F(), values + r * kWidth + n * kLanes);
  }
  for (int r = 0; r < kRows; ++r) {
    float* c = p.c + r * p.c_row;
    for (int j = 0; j < p.columns; ++j) {
      const float start = p.add ? c[j] : p.bias != nullptr ? p.bias[j] : 0;
      const float y = values[r * kWidth + j] + start;
      c[j] = y < p.floor ? p.floor : y;
    }
  }
}

template <int kRows, int kVectors>
void tile(const PanelTile& p) {
  VF sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int n = 0; n < kVectors; ++n) sums[r][n] = hn::Zero(F());
  }
  multiply(p, sums);
  if (p.columns < kVectors * kLanes) return finish_part(p, sums);
  if (p.add) return finish<true>(p, sums);
  finish<false>(p, sums);
}

using Tile = void (*)(const PanelTile&);

template <int kVectors, size_t... kRows>
constexpr std::array<Tile, sizeof...(kRows)> tiles(std::index_sequence<kRows...>) {
  return {tile<static_cast<int>(kRows) + 1, kVectors>...};
}

template <int kVectors>
void any_rows(const PanelTile& p) {
  static constexpr auto kTiles = tiles<kVectors>(std::make_index_sequence<tile_rows(kVectors)>());
  kTiles[static_cast<size_t>(p.rows) - 1](p);
}

template <size_t... kBefore>
void by_vectors(const PanelTile& p, std::index_sequence<kBefore...>) {
  static constexpr Tile kByVectors[] = {any_rows<static_cast<int>(kBefore) + 1>...};
  kByVectors[p.vectors - 1](p);
}

void any_tile(const PanelTile& p) { by_vectors(p, std::make_index_sequence<kWidest>()); }

}  // namespace

PanelKernels panel_table() {
  return {kLanes,
          kWidest,
          kChunkDepth,
          {tile_rows(1), tile_rows(2), tile_rows(3), tile_rows(4)},
          any_tile};
}

}  // namespace lathe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lathe::cpu {

HWY_EXPORT(panel_table);

PanelKernels panel_kernels() { return HWY_DYNAMIC_DISPATCH(panel_table)(); }

}  // namespace lathe::cpu
#endif
