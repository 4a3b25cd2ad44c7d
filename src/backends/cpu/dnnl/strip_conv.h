// SPDX-License-Identifier: Apache-2.0
#pragma once
// A convolution of NHWC pictures by strips of output rows, each one call of oneDNN on one thread.
// What conv_strips and expand_depthwise share.
#include <array>
#include <map>
#include <memory>
#include <string>

#include "backends/cpu/dnnl/dnnl_shim.h"
#include "device/tactic.h"

namespace lathe::cpu {

// Output rows of one image, the input rows that they read, and the zeros around those.
struct Strip {
  int64_t image, out_first, out_rows, in_first, in_rows, pad_begin, pad_end;

  // Strips of one kind are one problem.
  using Kind = std::array<int64_t, 4>;
  Kind kind() const { return {in_rows, out_rows, pad_begin, pad_end}; }
};
Strip strip_of(const ConvSpec& whole, int64_t image, int64_t first, int64_t rows);

// oneDNN's problem for a strip, its rows as they lie in the whole tensors or dense.
ConvSpec strip_spec(const ConvSpec& whole, const Strip& strip, bool dense_src, bool dense_dst);

// Rows of a strip for about `bytes` at `row_bytes` each, the strips even and enough for the
// threads.
int64_t strip_rows(const ConvSpec& whole, int64_t row_bytes, int64_t bytes, int threads);

// The primitives of all kinds of strips of one convolution, its weights packed once for those that
// oneDNN packs alike. Immutable after the last add(); threads share it.
class StripPrimitives {
 public:
  StripPrimitives() = default;
  // `operand`: the instance's that holds the weights, which lie as `plain` says.
  StripPrimitives(int operand, MemorySpec plain) : operand_(operand), plain_(std::move(plain)) {}

  Status add(const Strip& strip, const ConvSpec& spec, const LoadContext& context);
  // `args` without weights.
  Status run(const Strip& strip, OnednnPrimitive::Args args) const;
  size_t scratchpad_bytes() const { return scratchpad_; }
  size_t packed_bytes() const { return packed_bytes_; }

 private:
  Status pack(const OnednnPrimitive& primitive, const LoadContext& context);

  int operand_ = 1;
  MemorySpec plain_;
  std::map<Strip::Kind, std::unique_ptr<OnednnPrimitive>> primitives_;
  std::map<std::string, std::shared_ptr<Memory>> packed_;
  size_t scratchpad_ = 0, packed_bytes_ = 0;
};

}  // namespace lathe::cpu
