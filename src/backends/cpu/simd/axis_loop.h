// SPDX-License-Identifier: Apache-2.0
#pragma once
// Loops over the rows along one axis of operand 0 and of results, whatever their layouts: searches,
// sorting and running sums.
#include <algorithm>
#include <vector>

#include "backends/cpu/simd/copy_plan.h"
#include "ops/axes.h"

namespace lathe::cpu {

// Where a row begins in each tensor (elements), operand 0 first, then the results.
struct AxisLoop {
  Nest outer;
  std::vector<int64_t> steps;  // along the axis, by tensor
  int64_t length = 0;          // of operand 0's axis

  // Results have the axis in the same place, or, where they lost it, one dimension less.
  static AxisLoop make(const OpInstance& op) {
    const int rank = op.in[0].rank();
    const auto axis = static_cast<size_t>(axis_of(op, rank));
    std::vector<std::vector<int64_t>> strides{operand_strides(op, 0)};
    for (size_t k = 0; k < op.out.size(); ++k) {
      strides.push_back(result_strides(op, static_cast<int>(k)));
      if (op.out[k].rank() < rank)
        strides.back().insert(strides.back().begin() + static_cast<std::ptrdiff_t>(axis), 0);
    }
    AxisLoop loop;
    std::vector<int64_t> sizes = op.in[0].shape.sizes();
    loop.length = sizes[axis];
    sizes.erase(sizes.begin() + static_cast<std::ptrdiff_t>(axis));
    for (auto& s : strides) {
      loop.steps.push_back(s[axis]);
      s.erase(s.begin() + static_cast<std::ptrdiff_t>(axis));
    }
    loop.outer = make_nest(std::move(sizes), std::move(strides));
    return loop;
  }

  // f(offsets) for each row, rows shared among threads; offsets by tensor.
  template <class F>
  void run(F&& f) const {
    const int64_t rows = outer.elements();
    const int64_t least = std::max<int64_t>(1, grain(2) / std::max<int64_t>(1, length));
    parallel_for(rows, least, [&](int64_t begin, int64_t end) {
      std::vector<int64_t> at(steps.size());
      for (int64_t r = begin; r < end; ++r) {
        std::fill(at.begin(), at.end(), 0);
        int64_t index = r;
        for (size_t d = outer.sizes.size(); d-- > 0;) {
          const int64_t c = index % outer.sizes[d];
          index /= outer.sizes[d];
          for (size_t k = 0; k < at.size(); ++k) at[k] += c * outer.strides[k][d];
        }
        f(at.data());
      }
    });
  }
};

// No fusion, no blocks, a type to compute with.
inline Support axis_support(const OpInstance& op) {
  if (!is_computable(op.in[0].dtype)) return Support::no("types without arithmetic");
  return movable(op);
}

}  // namespace lathe::cpu
