// SPDX-License-Identifier: Apache-2.0
// Kernels of 3x3 to points: G g G^T, and the panels that WinogradKernels::product reads.
#include <algorithm>

#include "backends/cpu/simd/winograd_kernels.h"
#include "base/parallel.h"

namespace lathe::cpu {
namespace {

constexpr int kMaxPoints = 6;
using Matrix = double[kMaxPoints][3];

// Rows of G belong to the points of winograd_kernels.cpp: (1, x, x^2) over the product of the
// distances to the other points; (0, 0, 1) for infinity.
constexpr Matrix kTwo = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};

constexpr double kA = 0.671875, kB = 1.5, kAA = kA * kA, kBB = kB * kB;
constexpr double kNearA = 2 * kAA * (kAA - kBB), kNearB = 2 * kBB * (kBB - kAA);
constexpr Matrix kFour = {
    {1 / (kAA * kBB), 0, 0},
    {1 / kNearA, kA / kNearA, kAA / kNearA},
    {1 / kNearA, -kA / kNearA, kAA / kNearA},
    {1 / kNearB, kB / kNearB, kBB / kNearB},
    {1 / kNearB, -kB / kNearB, kBB / kNearB},
    {0, 0, 1},
};

// points[i][j] = (G g G^T)[i][j]
void transform(const Matrix& g, int points, const float* kernel,
               double (&out)[kMaxPoints][kMaxPoints]) {
  double rows[kMaxPoints][3];
  for (int i = 0; i < points; ++i) {
    for (int k = 0; k < 3; ++k) {
      rows[i][k] = g[i][0] * kernel[k] + g[i][1] * kernel[3 + k] + g[i][2] * kernel[6 + k];
    }
  }
  for (int i = 0; i < points; ++i) {
    for (int j = 0; j < points; ++j) {
      out[i][j] = rows[i][0] * g[j][0] + rows[i][1] * g[j][1] + rows[i][2] * g[j][2];
    }
  }
}

int64_t whole_groups(int64_t m) {
  return (m + kWinogradGroup - 1) / kWinogradGroup * kWinogradGroup;
}

}  // namespace

int64_t winograd_weights_size(int tile, int64_t m, int64_t c) {
  return (tile + 2) * (tile + 2) * whole_groups(m) * c;
}

void winograd_weights(int tile, std::span<const float> weights, int64_t m, int64_t c, float* to) {
  const int points = tile + 2;
  const int64_t whole = whole_groups(m), width = 2 * winograd_kernels(tile).lanes;
  const Matrix& g = tile == 4 ? kFour : kTwo;
  parallel_for(whole, 1, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      const int64_t panel = o / width * width, of_panel = std::min(width, whole - panel);
      float* column = to + panel * c + (o - panel);
      for (int64_t k = 0; k < c; ++k) {
        double p[kMaxPoints][kMaxPoints] = {};
        if (o < m) transform(g, points, &weights[static_cast<size_t>((o * c + k) * 9)], p);
        for (int i = 0; i < points * points; ++i) {
          column[i * whole * c + k * of_panel] = static_cast<float>(p[i / points][i % points]);
        }
      }
    }
  });
}

}  // namespace lathe::cpu
