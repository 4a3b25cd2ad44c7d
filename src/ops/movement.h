// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the operators that only move elements share: where an output element comes from, written
// once and used for tensors (the reference) and for known contents (inference) alike.
//
//   AffineIndex from = ...;            // y[c] is x[offset + sum(c[d] * strides[d])]
//   move_contents(ctx, from);          // at inference
//   return move_elements(args, from);  // in the reference
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "ops/axes.h"
#include "ops/op_common.h"

namespace lathe {

// A source index that stands for a zero (false, "").
inline constexpr int64_t kZeroElement = -1;

// The coordinates of linear index `at`, as "[1, 0]": for messages.
std::string position(int64_t at, std::span<const int64_t> sizes);

struct AffineIndex {
  int64_t offset = 0;
  std::vector<int64_t> strides;
  int64_t operator()(const int64_t* c) const {
    int64_t at = offset;
    for (size_t d = 0; d < strides.size(); ++d) at += c[d] * strides[d];
    return at;
  }
};

// Elements of a tensor being written, of every dtype: bytes, packed bits, strings.
class ElementSink {
 public:
  explicit ElementSink(HostTensor& out);
  void put(int64_t at, const HostTensor& from, int64_t index);  // same dtype
  void zero(int64_t at);
  void finish();  // strings reach the tensor here

 private:
  void put_bits(int64_t at, unsigned value);
  HostTensor& out_;
  std::byte* data_ = nullptr;
  int bits_;
  std::vector<std::string> strings_;
};

// Fills the box of output 0: element c is operand 0's element source(c), or zero.
template <class F>
Status move_elements(const RefArgs& args, F&& source) {
  ElementSink sink(args.out[0]);
  for_each(args.box, [&](const int64_t* c, int64_t at) {
    const int64_t from = source(c);
    from == kZeroElement ? sink.zero(at) : sink.put(at, args.in[0], from);
  });
  sink.finish();
  return {};
}

// Contents of operand k when they are known and fit its shape, which is then concrete; else null.
const Contents* whole_contents(const InferContext& ctx, int k);
// Whether a shape is concrete with at most kMaxContents elements.
bool is_small(const Shape& shape);

// Known contents of output 0 from those of operand 0, when both are small.
template <class F>
void move_contents(InferContext& ctx, F&& source) {
  const Contents* x = whole_contents(ctx, 0);
  if (x == nullptr || !is_small(ctx.out[0].shape)) return;
  Contents y;
  for_each(Box::whole(ctx.out[0].shape), [&](const int64_t* c, int64_t) {
    const int64_t from = source(c);
    y.push_back(from == kZeroElement ? Dim(0) : (*x)[static_cast<size_t>(from)]);
  });
  ctx.add_contents(0, std::move(y));
}

// Demands d >= 0 (d > 0): proved, refuted (an error), or recorded as a constraint.
Status require_nonnegative(InferContext& ctx, const Dim& d, std::string_view what);
Status require_positive(InferContext& ctx, const Dim& d, std::string_view what);
// Every entry of a Dims attribute is a size: not negative.
Status require_sizes(InferContext& ctx, std::string_view attribute);
// "perm has 3 entries, expected 4 (one for each dimension of x)".
Status require_entries(std::string_view attribute, size_t count, size_t expected,
                       std::string_view why);

// `index` counted from the end when negative; kZeroElement when it is outside [-size, size).
inline int64_t wrap_index(int64_t index, int64_t size) {
  if (index < -size || index >= size) return kZeroElement;
  return index < 0 ? index + size : index;
}
// "indices[1, 0] is 9, expected -4 to 3".
Status index_error(const HostTensor& indices, int64_t at, int64_t size);

// No arithmetic; the output written once, as much of operand 0 read, other operands whole.
Cost movement_cost(const OpInstance& op);

}  // namespace lathe
