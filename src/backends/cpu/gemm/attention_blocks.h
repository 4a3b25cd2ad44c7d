// SPDX-License-Identifier: Apache-2.0
#pragma once
// Scores, softmax and weighted sums for a block of queries at a time, so that a thread holds one
// tile of scores whatever the lengths are. Who computes the two products derives from this.
#include "backends/cpu/gemm/attention_problem.h"
#include "backends/cpu/simd/attention_kernels.h"

namespace lathe::cpu {

class AttentionBlocks : public Prepared {
 public:
  Status launch(const Buffers& at, Stream&) const override;

 protected:
  // Queries [row0, + rows) of a head against keys [key0, + keys).
  struct Block {
    int64_t head, row0, rows, key0, keys;
  };
  // One thread's memory.
  struct Own {
    float *scores, *total, *more, *mask, *max, *sum, *rescale;
    void* probabilities;  // of score_row() elements of the problem's type
    std::byte* products;  // what the products asked for
    int64_t head, key0;   // of what stands there: -1 at first
  };

  explicit AttentionBlocks(AttentionProblem problem);
  // Plans the workspace, with so many bytes of each thread for the products.
  void plan(int64_t product_bytes);

  virtual void enter() const {}  // around what a thread does
  virtual void leave() const {}
  // q k^T into own.scores
  virtual Status scores(const Buffers& at, const Block& block, Own& own) const = 0;
  // probabilities times v into rows of total_row()
  virtual Status sums(const Buffers& at, const Block& block, Own& own, float* to) const = 0;

  const void* row_of(const void* base, const Heads& h, int64_t head, int64_t row) const {
    return static_cast<const std::byte*>(base) +
           (h.start[static_cast<size_t>(head)] + row * h.row) * p_.bytes();
  }

  AttentionProblem p_;

 private:
  Own own(const Buffers& at, int64_t slot) const;
  Status run(const Buffers& at, Own& own, int64_t head, int64_t block) const;
  void soften(const Buffers& at, const Own& own, const Block& block, int64_t row) const;
  const float* mask_row(const Buffers& at, const Own& own, const Block& block, int64_t row) const;

  AttentionKernels kernels_;
  int slots_;
  size_t slot_bytes_ = 0;
  struct {
    size_t scores, probabilities, total, more, mask, row_state, products;
  } at_{};
};

}  // namespace lathe::cpu
