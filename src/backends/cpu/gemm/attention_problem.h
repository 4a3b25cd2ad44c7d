// SPDX-License-Identifier: Apache-2.0
#pragma once
// An attention as matrices: one for each head of the result, in blocks of queries and of keys.
#include <algorithm>
#include <string>
#include <vector>

#include "base/math.h"
#include "device/tactic.h"

namespace lathe::cpu {

// `count` things in `blocks` parts that differ by one at most.
struct Split {
  int64_t count = 0, blocks = 1;
  int64_t size(int64_t b) const { return count / blocks + (b < count % blocks ? 1 : 0); }
  int64_t start(int64_t b) const { return count / blocks * b + std::min(b, count % blocks); }
  int64_t most() const { return ceil_div(count, blocks); }
};

// An operand of which every head is a matrix: where heads start, and the rows' stride.
struct Heads {
  std::vector<int64_t> start;  // in elements, by head of the result
  int64_t row = 0, column = 1;
};

struct AttentionProblem {
  DType type = DType::F32;
  int64_t queries, keys, depth, width;
  Split query_blocks, key_blocks;
  Heads q, k, v, mask, y;
  DType mask_type = DType::None;
  float scale = 1;
  bool causal = false;
  int64_t pad = 1;  // rows, keys and width are products of, in memory, whole multiples of this

  int64_t heads() const { return static_cast<int64_t>(y.start.size()); }
  int64_t block_rows() const { return round_up(query_blocks.most(), pad); }
  int64_t score_row() const { return round_up(key_blocks.most(), std::max<int64_t>(pad, 16)); }
  int64_t total_row() const { return round_up(width, pad); }
  int64_t bytes() const { return bits(type) / 8; }
};

// Why the CPU's attentions take no such instance, or empty.
std::string refuse_attention(const OpInstance& op, const DeviceInfo& device);
AttentionProblem attention_problem(const OpInstance& op, int threads, int64_t pad);

}  // namespace lathe::cpu
