// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/gemm/tile_kernels.h"

#include <immintrin.h>

#include <array>
#include <bit>
#include <cstddef>
#include <utility>

#include "backends/cpu/prefetcher.h"
#include "base/math.h"

namespace lathe::cpu {
namespace {

constexpr int64_t kPairs = kTileSize / 2, kHalf = kTileSize / 2;
constexpr int64_t kStep = kTileSize * kTileSize;  // elements of b in a step of the depth

void nothing() {}

// --- AMX: four accumulators of 16 x 16, two tiles of a, two of b.
#define LATHE_AMX __attribute__((target("amx-tile,amx-bf16")))

// Palette 1, all tiles 16 rows of 64 bytes (Intel's "Tile configuration").
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

LATHE_AMX void enter_amx() {
  // Not on the stack: to GCC the instruction reads eight bytes, and stores of the others vanish.
  static constexpr TileConfig config;
  _tile_loadconfig(&config);
}
LATHE_AMX void leave_amx() { _tile_release(); }

// What comes next, spread over the steps of the depth.
Prefetcher next_of(const TileBlock& t) {
  return Prefetcher(t.next, t.next_lines, t.depth / kTileSize);
}

LATHE_AMX void half_amx(const TileBlock& t) {
  const auto b_row = static_cast<long>(kTileSize * 4), a_row = static_cast<long>(t.a_row * 2);
  _tile_loadd(0, t.bias, 0);
  _tile_loadd(1, t.bias + kHalf, 0);
  const uint16_t* b = t.b;
  Prefetcher ahead = next_of(t);
  for (int64_t k = 0; k < t.depth; k += kTileSize, b += kStep) {
    _tile_loadd(4, t.a + k, a_row);
    _tile_loadd(6, b, b_row);
    _tile_loadd(7, b + kTileSize, b_row);
    ahead.step();
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
  }
  _tile_stored(0, t.c, static_cast<long>(t.c_row * 4));
  _tile_stored(1, t.c + kHalf, static_cast<long>(t.c_row * 4));
}

LATHE_AMX void multiply_amx(const TileBlock& t) {
  if (t.rows <= kHalf) return half_amx(t);
  const auto b_row = static_cast<long>(kTileSize * 4), a_row = static_cast<long>(t.a_row * 2);
  const uint16_t* const lower = t.a + kHalf * t.a_row;
  _tile_loadd(0, t.bias, 0);  // a stride of 0: the bias in every row
  _tile_loadd(1, t.bias + kHalf, 0);
  _tile_loadd(2, t.bias, 0);
  _tile_loadd(3, t.bias + kHalf, 0);
  const uint16_t* b = t.b;
  Prefetcher ahead = next_of(t);
  for (int64_t k = 0; k < t.depth; k += kTileSize, b += kStep) {
    _tile_loadd(4, t.a + k, a_row);
    _tile_loadd(6, b, b_row);
    _tile_loadd(7, b + kTileSize, b_row);
    _tile_loadd(5, lower + k, a_row);
    ahead.step();
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  float* const below = t.c + kHalf * t.c_row;
  const auto c_row = static_cast<long>(t.c_row * 4);
  _tile_stored(0, t.c, c_row);
  _tile_stored(1, t.c + kHalf, c_row);
  _tile_stored(2, below, c_row);
  _tile_stored(3, below + kHalf, c_row);
}

// --- AVX-512 BF16: up to 12 rows of two vectors at a time, 24 accumulators.
#define LATHE_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

LATHE_BF16 inline __m512bh pairs(const uint16_t* at) {
  return reinterpret_cast<__m512bh>(_mm512_loadu_si512(at));
}

LATHE_BF16 inline __m512bh same_pair(const uint16_t* at) {
  int32_t two;
  __builtin_memcpy(&two, at, sizeof(two));
  return reinterpret_cast<__m512bh>(_mm512_set1_epi32(two));
}

// Rows are a list of constants, not a loop: GCC keeps an array that a loop walks in memory, and
// stores every sum at every step.
template <int... R>
LATHE_BF16 void rows_bf16(const TileBlock& t, int64_t row, std::integer_sequence<int, R...>) {
  const __m512 bias[] = {_mm512_loadu_ps(t.bias), _mm512_loadu_ps(t.bias + kHalf)};
  __m512 left[] = {((void)R, bias[0])...}, right[] = {((void)R, bias[1])...};
  const uint16_t* a = t.a + row * t.a_row;
  const uint16_t* b = t.b;
  Prefetcher ahead = next_of(t);
  for (int64_t k = 0; k < t.depth; k += kTileSize) {
    if (row == 0) ahead.step();
    for (const uint16_t* const end = a + kTileSize; a < end; a += 2, b += kTileSize * 2) {
      const __m512bh b0 = pairs(b), b1 = pairs(b + kTileSize);
      __m512bh both;
      ((both = same_pair(a + R * t.a_row), left[R] = _mm512_dpbf16_ps(left[R], both, b0),
        right[R] = _mm512_dpbf16_ps(right[R], both, b1)),
       ...);
    }
  }
  float* const c = t.c + row * t.c_row;
  (_mm512_storeu_ps(c + R * t.c_row, left[R]), ...);
  (_mm512_storeu_ps(c + R * t.c_row + kHalf, right[R]), ...);
}

using OfRows = void (*)(const TileBlock&, int64_t row);

template <int... R>
constexpr auto kernels_of_rows(std::integer_sequence<int, R...>) {
  return std::array<OfRows, sizeof...(R)>{[](const TileBlock& t, int64_t row) {
    rows_bf16(t, row, std::make_integer_sequence<int, R + 1>());
  }...};
}

void multiply_bf16(const TileBlock& t) {
  constexpr int kMost = 12;
  constexpr auto kOfRows = kernels_of_rows(std::make_integer_sequence<int, kMost>());
  const int64_t groups = ceil_div(t.rows, kMost);
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t row = t.rows * g / groups, end = t.rows * (g + 1) / groups;
    kOfRows[static_cast<size_t>(end - row - 1)](t, row);
  }
}

// --- Any machine.
float widened(uint16_t v) { return std::bit_cast<float>(static_cast<uint32_t>(v) << 16); }

void multiply_portable(const TileBlock& t) {
  for (int64_t r = 0; r < t.rows; ++r) {
    for (int64_t n = 0; n < kTileSize; ++n) {
      float sum = t.bias[n];
      for (int64_t k = 0; k < t.depth; ++k) {
        const uint16_t b = t.b[(k / 2 * kTileSize + n) * 2 + k % 2];
        sum += widened(t.a[r * t.a_row + k]) * widened(b);
      }
      t.c[r * t.c_row + n] = sum;
    }
  }
}

constexpr TileKernel kKernels[] = {
    {"amx", enter_amx, multiply_amx, leave_amx},
    {"bf16", nothing, multiply_bf16, nothing},
    {"portable", nothing, multiply_portable, nothing},
};

}  // namespace

const TileKernel* find_tile_kernel(std::string_view name) {
  for (const TileKernel& k : kKernels) {
    if (k.name == name) return &k;
  }
  return nullptr;
}

}  // namespace lathe::cpu
