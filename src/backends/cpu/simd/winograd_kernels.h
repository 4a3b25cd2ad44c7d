// SPDX-License-Identifier: Apache-2.0
#pragma once
// The three steps of Winograd's convolution with 3x3 kernels, F(t x t, 3x3): a tile of (t+2)^2
// input pixels becomes as many points, each point is a matrix product of its own over channels,
// and the points of the result become t x t pixels.
//
// Points lie in memory as [point][channels / 16][tile][16]: a tile's 16 channels are one cache
// line, so that the product's operands have constant distances.
#include <cstdint>
#include <span>

namespace lathe::cpu {

constexpr int64_t kWinogradGroup = 16;  // channels that lie together

// Input pixels of one tile to points. `pixels`: (t+2)^2, row by row, each its channels.
struct WinogradInput {
  const float* const* pixels;
  int64_t channels;
  float* to;
  int64_t group_stride, point_stride;
};

// Rows (tiles) of one point times a panel of weights: m[r, 0..width) = v[r, 0..depth) u.
// Sums of 16 products are added up, which halves the rounding error of one long sum.
struct WinogradProduct {
  const float* v;
  int64_t v_group;
  const float* u;  // [depth][vectors * lanes]
  int64_t depth;
  float* m;
  int64_t m_group;
  int rows;     // 1 .. max_rows
  int vectors;  // 1 or 2
};

// Points of one tile to output pixels: bias added, then at least `floor`.
struct WinogradOutput {
  const float* m;
  int64_t group_stride, point_stride;
  const float* bias;  // null: none
  float floor;        // -inf: none
  float* y;
  int64_t row_stride, pixel_stride;
  int rows, columns;  // of the tile that lie inside the result
  int64_t channels;
};

struct WinogradKernels {
  int64_t lanes;
  int max_rows;
  void (*input)(const WinogradInput& in);
  void (*product)(const WinogradProduct& product);
  void (*output)(const WinogradOutput& out);
};

WinogradKernels winograd_kernels(int tile);  // 2 or 4

// Floats of the packed weights, and the packing: from [m, c, 3, 3] to panels of two vectors (the
// last one may be of one) for each point, transformed in double.
int64_t winograd_weights_size(int tile, int64_t m, int64_t c);
void winograd_weights(int tile, std::span<const float> weights, int64_t m, int64_t c, float* to);

}  // namespace lathe::cpu
