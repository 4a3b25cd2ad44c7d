// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/winograd_kernels.h"

#include "backends/cpu/simd/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/winograd_kernels.cpp"
#include "hwy/foreach_target.h"
// Highway's order
#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "backends/cpu/simd/register_tile-inl.h"
#include "backends/cpu/simd/storage-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lathe::cpu::HWY_NAMESPACE {
namespace {

constexpr int64_t kLanes = hn::MaxLanes(F());
constexpr int kMaxRows = tile_rows(2);

// F(4): points 0, +-43/64, +-3/2, infinity. Their coefficients are exact and they round least; with
// the textbook's 0, +-1, +-2 the largest error is four times as large.
struct Four {
  static constexpr int kTile = 4, kPoints = 6;
  static constexpr float kA = 0.671875f, kB = 1.5f, kAA = kA * kA, kBB = kB * kB;

  // x (x - a)(x + a)(x - b)(x + b) without one factor for each point.
  static HWY_INLINE void input(const VF (&d)[6], VF (&t)[6]) {
    const VF aa = splat(kAA), bb = splat(kBB), both = splat(kAA * kBB), sum = splat(kAA + kBB);
    t[0] = hn::MulAdd(both, d[0], hn::NegMulAdd(sum, d[2], d[4]));
    t[5] = hn::MulAdd(both, d[1], hn::NegMulAdd(sum, d[3], d[5]));
    const VF even_a = hn::NegMulAdd(bb, d[2], d[4]), odd_a = hn::NegMulAdd(bb, d[1], d[3]);
    t[1] = hn::MulAdd(splat(kA), odd_a, even_a);
    t[2] = hn::NegMulAdd(splat(kA), odd_a, even_a);
    const VF even_b = hn::NegMulAdd(aa, d[2], d[4]), odd_b = hn::NegMulAdd(aa, d[1], d[3]);
    t[3] = hn::MulAdd(splat(kB), odd_b, even_b);
    t[4] = hn::NegMulAdd(splat(kB), odd_b, even_b);
  }
  static HWY_INLINE void output(const VF (&m)[6], VF (&y)[4]) {
    const VF sum_a = hn::Add(m[1], m[2]), sum_b = hn::Add(m[3], m[4]);
    const VF dif_a = hn::Sub(m[1], m[2]), dif_b = hn::Sub(m[3], m[4]);
    y[0] = hn::Add(m[0], hn::Add(sum_a, sum_b));
    y[1] = hn::MulAdd(splat(kA), dif_a, hn::Mul(splat(kB), dif_b));
    y[2] = hn::MulAdd(splat(kAA), sum_a, hn::Mul(splat(kBB), sum_b));
    y[3] = hn::MulAdd(splat(kAA * kA), dif_a, hn::MulAdd(splat(kBB * kB), dif_b, m[5]));
  }
};

// F(2): points 0, 1, -1, infinity.
struct Two {
  static constexpr int kTile = 2, kPoints = 4;
  static HWY_INLINE void input(const VF (&d)[4], VF (&t)[4]) {
    t[0] = hn::Sub(d[0], d[2]);
    t[1] = hn::Add(d[1], d[2]);
    t[2] = hn::Sub(d[2], d[1]);
    t[3] = hn::Sub(d[1], d[3]);
  }
  static HWY_INLINE void output(const VF (&m)[4], VF (&y)[2]) {
    y[0] = hn::Add(m[0], hn::Add(m[1], m[2]));
    y[1] = hn::Sub(hn::Sub(m[1], m[2]), m[3]);
  }
};

template <class Way, class Load>
HWY_INLINE void input_vector(const WinogradInput& in, int64_t c, Load load) {
  constexpr int n = Way::kPoints;
  VF columns[n][n];  // [point of the column][column]
  for (int j = 0; j < n; ++j) {
    VF d[n], t[n];
    for (int i = 0; i < n; ++i) d[i] = load(in.pixels[i * n + j] + c);
    Way::input(d, t);
    for (int i = 0; i < n; ++i) columns[i][j] = t[i];
  }
  float* to = in.to + c / kWinogradGroup * in.group_stride + c % kWinogradGroup;
  for (int i = 0; i < n; ++i) {
    VF t[n];
    Way::input(columns[i], t);
    for (int j = 0; j < n; ++j) hn::StoreU(t[j], F(), to + (i * n + j) * in.point_stride);
  }
}

template <class Way>
void input(const WinogradInput& in) {
  int64_t c = 0;
  for (; c + kLanes <= in.channels; c += kLanes) {
    input_vector<Way>(in, c, [](const float* at) HWY_ATTR { return hn::LoadU(F(), at); });
  }
  if (c == in.channels) return;
  const auto part = static_cast<size_t>(in.channels - c);
  input_vector<Way>(in, c,
                    [part](const float* at) HWY_ATTR { return StorageF32::load_part(at, part); });
}

// Post-operations and stores of one vector of channels of a tile.
template <class Way, class Store>
HWY_INLINE void output_vector(const WinogradOutput& o, int64_t c, VF bias, Store store) {
  constexpr int n = Way::kPoints, tile = Way::kTile;
  const float* m = o.m + c / kWinogradGroup * o.group_stride + c % kWinogradGroup;
  VF columns[tile][n];  // [row of the result][point]
  for (int j = 0; j < n; ++j) {
    VF d[n], y[tile];
    for (int i = 0; i < n; ++i) d[i] = hn::LoadU(F(), m + (i * n + j) * o.point_stride);
    Way::output(d, y);
    for (int i = 0; i < tile; ++i) columns[i][j] = y[i];
  }
  const VF floor = splat(o.floor);
  for (int i = 0; i < o.rows; ++i) {
    VF y[tile];
    Way::output(columns[i], y);
    float* to = o.y + i * o.row_stride + c;
    for (int j = 0; j < tile; ++j) {
      if (j < o.columns) store(at_least(hn::Add(y[j], bias), floor), to + j * o.pixel_stride);
    }
  }
}

template <class Way>
void output(const WinogradOutput& o) {
  int64_t c = 0;
  for (; c + kLanes <= o.channels; c += kLanes) {
    const VF bias = o.bias != nullptr ? hn::LoadU(F(), o.bias + c) : hn::Zero(F());
    output_vector<Way>(o, c, bias, [](VF v, float* at) HWY_ATTR { hn::StoreU(v, F(), at); });
  }
  if (c == o.channels) return;
  const auto part = static_cast<size_t>(o.channels - c);
  const VF bias = o.bias != nullptr ? StorageF32::load_part(o.bias + c, part) : hn::Zero(F());
  output_vector<Way>(o, c, bias,
                     [part](VF v, float* at) HWY_ATTR { StorageF32::store_part(v, at, part); });
}

template <int kRows, int kVectors>
void product(const WinogradProduct& p) {
  const float* u = p.u;
  for (int64_t begin = 0; begin < p.depth; begin += kWinogradGroup) {
    const float* v = p.v + begin / kWinogradGroup * p.v_group;
    VF sums[kRows][kVectors];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (int n = 0; n < kVectors; ++n) sums[r][n] = hn::Zero(F());
    }
    const int64_t depth = std::min(kWinogradGroup, p.depth - begin);
#pragma GCC unroll kUnroll
    for (int64_t k = 0; k < depth; ++k, u += kVectors * kLanes) {
      VF w[kVectors];
#pragma GCC unroll 2
      for (int n = 0; n < kVectors; ++n) w[n] = hn::LoadU(F(), u + n * kLanes);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const VF factor = hn::Set(F(), v[r * kWinogradGroup + k]);
#pragma GCC unroll 2
        for (int n = 0; n < kVectors; ++n) sums[r][n] = hn::MulAdd(factor, w[n], sums[r][n]);
      }
    }
#pragma GCC unroll 2
    for (int n = 0; n < kVectors; ++n) {
      float* m = p.m + n * kLanes / kWinogradGroup * p.m_group + n * kLanes % kWinogradGroup;
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r, m += kWinogradGroup) {
        if (begin > 0) sums[r][n] = hn::Add(sums[r][n], hn::LoadU(F(), m));
        hn::StoreU(sums[r][n], F(), m);
      }
    }
  }
}

using Product = void (*)(const WinogradProduct&);

template <int kVectors, size_t... kRows>
constexpr std::array<Product, sizeof...(kRows)> products(std::index_sequence<kRows...>) {
  return {product<static_cast<int>(kRows) + 1, kVectors>...};
}

void any_product(const WinogradProduct& p) {
  static constexpr auto kOne = products<1>(std::make_index_sequence<kMaxRows>());
  static constexpr auto kTwo = products<2>(std::make_index_sequence<kMaxRows>());
  (p.vectors == 1 ? kOne : kTwo)[static_cast<size_t>(p.rows) - 1](p);
}

constexpr WinogradKernels kTable[] = {
    {kLanes, kMaxRows, input<Two>, any_product, output<Two>},
    {kLanes, kMaxRows, input<Four>, any_product, output<Four>},
};

}  // namespace

const WinogradKernels* winograd_table() { return kTable; }

}  // namespace lathe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lathe::cpu {

HWY_EXPORT(winograd_table);

WinogradKernels winograd_kernels(int tile) {
  return HWY_DYNAMIC_DISPATCH(winograd_table)()[tile == 4 ? 1 : 0];
}

}  // namespace lathe::cpu
#endif
