// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/gemm/attention_blocks.h"

#include <cstring>
#include <limits>

#include "base/parallel.h"

namespace lathe::cpu {

AttentionBlocks::AttentionBlocks(AttentionProblem problem)
    : p_(std::move(problem)),
      kernels_(attention_kernels(p_.type == DType::BF16)),
      slots_(thread_count()) {}

void AttentionBlocks::plan(int64_t product_bytes) {
  const int64_t rows = p_.block_rows(), row = p_.score_row();
  auto take = [&](size_t& at, int64_t bytes) {
    at = slot_bytes_;
    slot_bytes_ += static_cast<size_t>(round_up(bytes, 64));
  };
  take(at_.scores, rows * row * 4);
  take(at_.probabilities, p_.type == DType::BF16 ? rows * row * 2 : 0);
  take(at_.total, rows * p_.total_row() * 4);
  take(at_.more, p_.key_blocks.blocks > 1 ? rows * p_.total_row() * 4 : 0);
  take(at_.mask, row * 4);
  take(at_.row_state, rows * 3 * 4);
  take(at_.products, product_bytes);
  slot_bytes_ = static_cast<size_t>(round_up(static_cast<int64_t>(slot_bytes_), 4096));
  workspace_bytes = slot_bytes_ * static_cast<size_t>(slots_);
}

AttentionBlocks::Own AttentionBlocks::own(const Buffers& at, int64_t slot) const {
  auto* base = static_cast<std::byte*>(at.workspace) + slot_bytes_ * static_cast<size_t>(slot);
  auto floats = [&](size_t offset) { return reinterpret_cast<float*>(base + offset); };
  const int64_t rows = p_.block_rows();
  Own o{};
  o.scores = floats(at_.scores);
  o.probabilities = base + (p_.type == DType::BF16 ? at_.probabilities : at_.scores);
  o.total = floats(at_.total);
  o.more = floats(at_.more);
  o.mask = floats(at_.mask);
  o.max = floats(at_.row_state);
  o.sum = o.max + rows;
  o.rescale = o.sum + rows;
  o.products = base + at_.products;
  o.head = o.key0 = -1;
  return o;
}

// Each slot runs its share of the tasks, a block of queries of one head.
Status AttentionBlocks::launch(const Buffers& at, Stream&) const {
  const int64_t blocks = p_.query_blocks.blocks, tasks = p_.heads() * blocks;
  std::vector<Status> failed(static_cast<size_t>(slots_));
  parallel_for(slots_, 1, [&](int64_t begin, int64_t end) {
    enter();
    for (int64_t slot = begin; slot < end; ++slot) {
      Own o = own(at, slot);
      for (int64_t t = tasks * slot / slots_; t < tasks * (slot + 1) / slots_; ++t) {
        Status s = run(at, o, t / blocks, t % blocks);
        if (!s.ok()) failed[static_cast<size_t>(slot)] = std::move(s);
      }
    }
    leave();
  });
  for (Status& s : failed) LATHE_TRY(std::move(s));
  return {};
}

Status AttentionBlocks::run(const Buffers& at, Own& own, int64_t head, int64_t block) const {
  Block b{head, p_.query_blocks.start(block), p_.query_blocks.size(block), 0, 0};
  const int64_t row = p_.total_row();
  std::fill_n(own.max, b.rows, -std::numeric_limits<float>::infinity());
  std::fill_n(own.sum, b.rows, 0.0f);
  for (int64_t k = 0; k < p_.key_blocks.blocks; ++k) {
    b.key0 = p_.key_blocks.start(k), b.keys = p_.key_blocks.size(k);
    if (p_.causal && k > 0 && b.key0 > b.row0 + b.rows - 1) break;
    LATHE_TRY(scores(at, b, own));
    for (int64_t r = 0; r < b.rows; ++r) soften(at, own, b, r);
    LATHE_TRY(sums(at, b, own, k == 0 ? own.total : own.more));
    for (int64_t r = 0; k > 0 && r < b.rows; ++r) {
      kernels_.accumulate(own.total + r * row, own.more + r * row, own.rescale[r], p_.width);
    }
  }
  for (int64_t r = 0; r < b.rows; ++r) {
    void* y = const_cast<void*>(row_of(at.out[0], p_.y, head, b.row0 + r));
    kernels_.finish(own.total + r * row, own.sum[r] > 0 ? 1 / own.sum[r] : 0.0f, y, p_.width);
  }
  return {};
}

void AttentionBlocks::soften(const Buffers& at, const Own& own, const Block& b, int64_t r) const {
  ScoreRow row;
  row.scores = own.scores + r * p_.score_row();
  row.probabilities = static_cast<std::byte*>(own.probabilities) + r * p_.score_row() * p_.bytes();
  row.n = p_.causal ? std::clamp<int64_t>(b.row0 + r + 1 - b.key0, 0, b.keys) : b.keys;
  row.padded = round_up(b.keys, p_.pad);
  row.scale = p_.scale;
  row.mask = mask_row(at, own, b, r);
  row.max = own.max[r];
  row.sum = own.sum[r];
  kernels_.softmax(row);
  own.max[r] = row.max;
  own.sum[r] = row.sum;
  own.rescale[r] = row.rescale;
}

// The mask of a row as floats to add: in place where it is that already, else in the thread's
// memory, where it stays when all rows share it.
const float* AttentionBlocks::mask_row(const Buffers& at, const Own& own, const Block& b,
                                       int64_t r) const {
  if (p_.mask_type == DType::None) return nullptr;
  const int64_t bytes = bits(p_.mask_type) / 8;
  const int64_t first = p_.mask.start[static_cast<size_t>(b.head)] + (b.row0 + r) * p_.mask.row;
  const auto* from =
      static_cast<const std::byte*>(at.in[3]) + (first + b.key0 * p_.mask.column) * bytes;
  if (p_.mask_type == DType::F32 && p_.mask.column == 1) {
    return reinterpret_cast<const float*>(from);
  }
  if (p_.mask.row == 0 && r > 0) return own.mask;
  const auto widen = p_.mask_type == DType::Bool ? kernels_.bool_mask : kernels_.bf16_mask;
  if (p_.mask.column == 1) {
    widen(from, own.mask, b.keys);
    return own.mask;
  }
  // One value for all keys.
  float value = 0;
  if (p_.mask_type == DType::F32) {
    std::memcpy(&value, from, sizeof(value));
  } else {
    widen(from, &value, 1);
  }
  std::fill_n(own.mask, b.keys, value);
  return own.mask;
}

}  // namespace lathe::cpu
