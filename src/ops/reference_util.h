// SPDX-License-Identifier: Apache-2.0
#pragma once
// What references share: elements as doubles, results with their magnitude, walks.
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "ops/op_common.h"

namespace lathe {

// Elements of a tensor as doubles: F32 where they stand, other types converted all at once when
// about `reads` elements will be read and that pays, else each when it is asked for (a small box of
// a large tensor).
class Doubles {
 public:
  Doubles(const HostTensor& tensor, int64_t reads);
  double operator[](int64_t i) const {
    const auto at = static_cast<size_t>(i);
    if (floats_ != nullptr) return floats_[at];
    return values_.empty() ? tensor_->get_f64(i) : values_[at];
  }

 private:
  const HostTensor* tensor_;
  const float* floats_ = nullptr;
  std::vector<double> values_;
};

// Whether operand k is there.
inline bool given(const RefArgs& a, size_t k) { return k < a.in.size() && !a.in[k].empty(); }

// Writes element `at` of output 0 and what scales its error bound (nothing where that is NaN: then
// the value is too, or infinite).
inline void put(const RefArgs& a, int64_t at, double value, double magnitude) {
  a.out[0].set_f64(at, value);
  if (a.magnitude != nullptr) a.magnitude->set_f64(at, magnitude >= 0 ? magnitude : 0);
}
// The result is exact: only the rounding to the output's type is allowed for.
inline void put_exact(const RefArgs& a, int64_t at) {
  if (a.magnitude != nullptr) a.magnitude->set_f64(at, 0);
}

// Sum of coordinates times strides.
int64_t offset_of(const int64_t* coordinates, std::span<const int64_t> strides);

// Calls f(coordinates, place, step) for each row of the box along `axis`: coordinates of the row's
// first element within the box, its place in the box-shaped output, and the distance there between
// neighbours along the axis.
template <class F>
void for_each_row(const Box& box, int axis, F&& f) {
  std::vector<int64_t> extents;
  for (size_t d = 0; d < box.begin.size(); ++d) extents.push_back(box.end[d] - box.begin[d]);
  const std::vector<int64_t> strides = row_strides(extents);
  const auto along = static_cast<size_t>(axis);
  if (extents[along] == 0) return;
  Box rows = box;
  rows.end[along] = rows.begin[along] + 1;
  for_each(rows, [&](const int64_t* at, int64_t) {
    int64_t place = 0;
    for (size_t d = 0; d < extents.size(); ++d) place += (at[d] - box.begin[d]) * strides[d];
    f(at, place, strides[along]);
  });
}

// For cost functions: flops = elements of output 0 * flops_per_element, bytes = all tensors.
Cost cost_of_elements(const OpInstance& op, double flops_per_element);

}  // namespace lathe
