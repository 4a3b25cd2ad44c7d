// SPDX-License-Identifier: Apache-2.0
#pragma once
// Rows of an attention: the softmax that may continue over several blocks of keys, and the weighted
// sums that it scales.
#include <cstdint>

namespace lathe::cpu {

// One row of scores over one block of keys. `max` and `sum` carry over from the blocks before
// (-inf and 0 before the first).
struct ScoreRow {
  float* scores = nullptr;      // q k^T; overwritten
  const float* mask = nullptr;  // added after scaling; null: none
  int64_t n = 0;                // keys that the row sees
  int64_t padded = 0;           // probabilities to write; those from n on are 0
  float scale = 1;
  void* probabilities = nullptr;  // e^(score - max), f32 or bf16; may be `scores` where f32
  float max = 0, sum = 0;
  float rescale = 1;  // out: what the sums of the blocks before must be multiplied by
};

struct AttentionKernels {
  void (*softmax)(ScoreRow& row);
  // total = total * rescale + more
  void (*accumulate)(float* total, const float* more, float rescale, int64_t n);
  // Masks as floats to add: 0 or -infinity from bytes, others widened.
  void (*bool_mask)(const void* from, float* to, int64_t n);
  void (*bf16_mask)(const void* from, float* to, int64_t n);
  // y = total * factor
  void (*finish)(const float* total, float factor, void* y, int64_t n);
};

// For probabilities and results in bf16, or in f32.
AttentionKernels attention_kernels(bool bf16);

}  // namespace lathe::cpu
