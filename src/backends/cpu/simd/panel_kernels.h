// SPDX-License-Identifier: Apache-2.0
#pragma once
// The inner loop of matrix products in f32: a tile of rows times a panel of packed weights, its
// sums in registers (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication").
#include <cstdint>
#include <limits>

namespace lathe::cpu {

constexpr int kPanelVectors = 4;  // the widest panel of any target

// c[r, 0..columns) = at_least(floor, start + sum over k of a[r, k] b[k, 0..columns)), where start
// is c itself (`add`), the bias, or 0.
struct PanelTile {
  const float* a;
  int64_t a_row;   // from row to row; a row's floats lie together
  const float* b;  // [depth][vectors * lanes]
  int64_t depth;
  float* c;
  int64_t c_row;
  const float* bias = nullptr;  // null: none
  bool add = false;
  float floor = -std::numeric_limits<float>::infinity();
  int rows = 1;     // 1 .. max_rows[vectors - 1]
  int vectors = 1;  // 1 .. kPanelVectors
  int columns = 0;  // that exist, at most vectors * lanes
  // What will be read next, so many lines of 64 bytes: to the second-level cache meanwhile.
  const float* next = nullptr;
  int64_t next_lines = 0;
};

struct PanelKernels {
  int64_t lanes;
  int vectors;                  // of this target's panels, at most kPanelVectors
  int64_t chunk_depth;          // of a panel that is worked on at a time
  int max_rows[kPanelVectors];  // by vectors - 1
  void (*tile)(const PanelTile& tile);
};

// For the processor that runs.
PanelKernels panel_kernels();

}  // namespace lathe::cpu
