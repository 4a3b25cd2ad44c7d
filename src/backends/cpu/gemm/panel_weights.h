// SPDX-License-Identifier: Apache-2.0
#pragma once
// Constant weights [depth, columns] in the order in which a product reads them: chunks of depth; in
// each its panels of columns, as wide as the processor's registers ask (the last may be narrower);
// in each panel its rows.
#include <cstdint>
#include <span>
#include <vector>

#include "backends/cpu/simd/panel_kernels.h"
#include "base/math.h"

namespace lathe::cpu {

struct PanelLayout {
  int64_t columns = 0, depth = 0;
  PanelKernels kernels;
  int64_t chunks = 1;

  PanelLayout(int64_t columns, int64_t depth);
  int64_t all_vectors() const { return ceil_div(columns, kernels.lanes); }
  int64_t panels() const { return ceil_div(all_vectors(), kernels.vectors); }
  // Vectors before panel `panel`. No panel but the only one is of a single vector, which is slow.
  int64_t vectors_before(int64_t panel) const {
    const int64_t all = all_vectors(), before = panel * kernels.vectors;
    const bool shortened = all % kernels.vectors == 1 && panel > 0 && panel + 1 == panels();
    return shortened ? before - 1 : before < all ? before : all;
  }
  int vectors(int64_t panel) const {
    return static_cast<int>(vectors_before(panel + 1) - vectors_before(panel));
  }
  int64_t column(int64_t panel) const {  // the first; `columns` behind the last panel
    const int64_t before = vectors_before(panel) * kernels.lanes;
    return before < columns ? before : columns;
  }
  int64_t longest_chunk() const { return ceil_div(depth, chunks); }
  int64_t chunk_begin(int64_t chunk) const { return depth * chunk / chunks; }
  int64_t floats() const { return depth * all_vectors() * kernels.lanes; }
  // Where chunk `chunk` of panel `panel` begins.
  int64_t offset(int64_t chunk, int64_t panel) const {
    const int64_t begin = chunk_begin(chunk), rows = chunk_begin(chunk + 1) - begin;
    return (begin * all_vectors() + rows * vectors_before(panel)) * kernels.lanes;
  }
};

// Element (k, n) of the weights is from[row_at[k] + n * column_step].
struct WeightsView {
  std::span<const float> from;
  std::vector<int64_t> row_at;
  int64_t column_step;
};
void pack_panels(const PanelLayout& layout, const WeightsView& weights, float* to);

}  // namespace lathe::cpu
