// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/gemm/gemm_grid.h"

namespace lathe::cpu {

GemmGrid::Cell GemmGrid::cell(int64_t k) const {
  const int64_t lines = groups * row_blocks;
  const int64_t line = by_columns ? k % lines : k / column_blocks;
  return {line / row_blocks, line % row_blocks, by_columns ? k / lines : k % column_blocks};
}

std::string packing_key(std::string_view kind, const GemmProblem& p, const LoadContext& context) {
  const uint64_t id = context.constant_ids.size() > 1 ? context.constant_ids[1] : 0;
  return fmt::format("{}|{}|{}|{}|{}|{}|{}", kind, id, p.columns, p.depth, p.weight_step,
                     p.weight_rows.back(), p.depth > 1 ? p.weight_rows[1] : 0);
}

}  // namespace lathe::cpu
