// SPDX-License-Identifier: Apache-2.0
#pragma once
// The inner loop of matrix products in BF16: 32 rows by 32 columns, summed in f32 over the whole
// depth by AMX's tile registers or by AVX-512's dot products of pairs.
#include <cstdint>
#include <span>
#include <string_view>

namespace lathe::cpu {

constexpr int64_t kTileSize = 32;  // rows and columns of a block; the depth is a multiple of it

// c[r, n] = bias[n] + sum over k of a[r, k] b[k, n]
struct TileBlock {
  const uint16_t* a;
  int64_t a_row;      // elements from row to row; a row's lie together
  const uint16_t* b;  // [depth / 2][32][2]
  int64_t depth;
  const float* bias;  // 32
  float* c;
  int64_t c_row;
  int64_t rows;  // 1 to 32; AMX reads and writes whole sixteens of them
  // What will be read next, so many lines of 64 bytes: to the second-level cache meanwhile.
  const uint16_t* next = nullptr;
  int64_t next_lines = 0;
};

struct TileKernel {
  std::string_view name;
  // Around a thread's calls of `multiply`: sets up its registers, gives them back.
  void (*enter)();
  void (*multiply)(const TileBlock& block);
  void (*leave)();
};

// By name; null where there is no such. "portable" runs on any machine, slowly: for tests.
const TileKernel* find_tile_kernel(std::string_view name);

}  // namespace lathe::cpu
