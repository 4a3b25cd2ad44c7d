// SPDX-License-Identifier: Apache-2.0
#pragma once
// A copy of elements between two tensors whose places are affine in the coordinates: what
// transposition, slices, concatenation, repetition and changes of layout are made of. Bytes move;
// types do not matter.
#include "backends/cpu/simd/nest.h"

namespace lathe::cpu {

class CopyPlan {
 public:
  CopyPlan() = default;
  // to[sum c*to_strides + to_offset] = from[sum c*from_strides + from_offset] for all coordinates
  // c within `sizes`; elements of `bytes` (1, 2, 4, 8). A stride of 0 in from repeats.
  struct Sides {
    std::vector<int64_t> sizes, to_strides, from_strides;
    int64_t to_offset = 0, from_offset = 0;
    int64_t bytes = 4;
  };
  explicit CopyPlan(Sides sides);
  void run(void* to, const void* from) const;  // in parallel where it pays

 private:
  void copy_rows(std::byte* to, const std::byte* from) const;
  void copy_transposed(std::byte* to, const std::byte* from) const;
  Nest nest_;  // tensor 0: to, 1: from
  int64_t to_offset_ = 0, from_offset_ = 0, bytes_ = 4;
  int across_ = -1;  // a dimension contiguous in `from` while the innermost one is not
};

// Whether kernels that move bytes can move this type.
Support movable(const TensorType& type);
// Every operand and result movable, no expressions, no channels in blocks.
Support movable(const OpInstance& op);
// Dense row-major tensors of elements that can be moved, nothing fused.
Support has_plain_rows(const OpInstance& op);

// What moves bytes only: some plans, each from one operand to one result.
class PreparedCopies : public Prepared {
 public:
  struct Part {
    int in = 0, out = 0;
    CopyPlan plan;
  };
  explicit PreparedCopies(std::vector<Part> parts) : parts_(std::move(parts)) {}
  Status launch(const Buffers& at, Stream&) const override {
    for (const Part& p : parts_) {
      p.plan.run(at.out[static_cast<size_t>(p.out)], at.in[static_cast<size_t>(p.in)]);
    }
    return {};
  }

 private:
  std::vector<Part> parts_;
};

}  // namespace lathe::cpu
