// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/gemm/panel_weights.h"

#include <algorithm>

#include "base/parallel.h"

namespace lathe::cpu {

PanelLayout::PanelLayout(int64_t columns_, int64_t depth_)
    : columns(columns_),
      depth(depth_),
      kernels(panel_kernels()),
      chunks(std::max<int64_t>(1, ceil_div(depth_, kernels.chunk_depth))) {}

void pack_panels(const PanelLayout& p, const WeightsView& w, float* to) {
  parallel_for(p.panels(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; ++panel) {
      const int64_t first = p.column(panel), there = p.column(panel + 1) - first;
      const int64_t width = p.vectors(panel) * p.kernels.lanes;
      for (int64_t chunk = 0; chunk < p.chunks; ++chunk) {
        float* row = to + p.offset(chunk, panel);
        for (int64_t k = p.chunk_begin(chunk); k < p.chunk_begin(chunk + 1); ++k, row += width) {
          const int64_t at = w.row_at[static_cast<size_t>(k)] + first * w.column_step;
          for (int64_t n = 0; n < there; ++n) {
            row[n] = w.from[static_cast<size_t>(at + n * w.column_step)];
          }
          std::fill(row + there, row + width, 0.0f);
        }
      }
    }
  });
}

}  // namespace lathe::cpu
