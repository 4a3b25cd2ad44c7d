// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a product is shared out: blocks of the result in the order of work, and the names that
// packings have in a cache.
#include <string>

#include "backends/cpu/gemm/gemm.h"
#include "base/parallel.h"

namespace lathe::cpu {

constexpr std::string_view kByColumns = "split=columns", kByRows = "split=rows";
constexpr int64_t kSharedWeights = 4 << 20;  // bytes that every thread may read for itself

// Blocks of the result, and whether neighbours in the order of work share columns (and so weights)
// or rows. A thread takes a run of neighbours.
struct GemmGrid {
  int64_t groups = 1, row_blocks = 1, column_blocks = 1;
  bool by_columns = false;

  struct Cell {
    int64_t group, row, column;
  };
  int64_t size() const { return groups * row_blocks * column_blocks; }
  Cell cell(int64_t k) const;
  // Calls f(slot, begin, end) with the cells of each of `slots`, in parallel.
  template <class F>
  void share(int slots, F&& f) const {
    parallel_for(slots, 1, [&](int64_t first, int64_t last) {
      for (int64_t slot = first; slot < last; ++slot) {
        f(slot, size() * slot / slots, size() * (slot + 1) / slots);
      }
    });
  }
};

// Of the packed weights in a PackCache. Kernels of one pixel and wider ones of fewer channels are
// told apart, whose weights may be the same bytes.
std::string packing_key(std::string_view kind, const GemmProblem& problem,
                        const LoadContext& context);

}  // namespace lathe::cpu
