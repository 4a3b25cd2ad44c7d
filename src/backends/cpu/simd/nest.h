// SPDX-License-Identifier: Apache-2.0
#pragma once
// Loops over the elements of several tensors at once, whatever their layouts, slices and
// broadcasts: dimensions sorted by stride and merged where all tensors allow, at load time.
#include <cstdint>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "device/tactic.h"

namespace lathe::cpu {

// sizes[d] and strides[k][d] (elements, of tensor k), the outermost dimension first. At least one
// dimension; without elements, sizes[0] is 0.
struct Nest {
  std::vector<int64_t> sizes;
  std::vector<std::vector<int64_t>> strides;

  int64_t elements() const;
  int64_t inner() const { return sizes.back(); }
};

// Sorts by the strides of tensor 0, then of the others; drops dimensions of size 1; merges.
Nest make_nest(std::vector<int64_t> sizes, std::vector<std::vector<int64_t>> strides);
// Dimensions in the order given, merged only.
Nest merge_nest(std::vector<int64_t> sizes, std::vector<std::vector<int64_t>> strides);

// Strides of an operand for the dimensions of `to` (NumPy's broadcast), from its own strides.
std::vector<int64_t> broadcast_strides(const Shape& shape, std::span<const int64_t> strides,
                                       int rank);

// Strides of operand or result k over sizes_of(): for Blocked16 over N, C / 16, space..., 16.
// `shape` is what the operand broadcasts to, `blocked` whether that is in blocks.
std::vector<int64_t> loop_strides(const TensorType& type, std::span<const int64_t> strides,
                                  const Shape& shape, bool blocked);
std::vector<int64_t> loop_sizes(const Shape& shape, bool blocked);

// A loop nest's two inner dimensions as one plane; the others counted by `index`.
struct Planes {
  explicit Planes(const Nest& nest);
  // Offsets (elements) of every tensor at plane `index`.
  void offsets(int64_t index, std::span<int64_t> out) const;
  const Nest& nest;
  int64_t count = 1, rows = 1, n = 1;
};

// Elements for each thread that pay for waking it: about 8 us of work at `cost` operations each.
inline int64_t grain(double cost) {
  return static_cast<int64_t>(16384 / (cost < 1 ? 1 : cost)) + 1;
}

}  // namespace lathe::cpu
