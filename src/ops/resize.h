// SPDX-License-Identifier: Apache-2.0
#pragma once
// The sampling of Resize along one axis as a table. Reference and kernels read the same table:
// coordinates must be computed once, in double, or nearest neighbours differ.
#include <cstdint>
#include <vector>

#include "ops/op.h"

namespace lathe {

// Element o of the output reads `taps` elements: index[o*taps + t] with weight[o*taps + t].
struct ResizeAxis {
  int taps = 1;
  std::vector<int64_t> index;
  std::vector<double> weight;
  std::vector<bool> outside;  // tf_crop_and_resize: o becomes the extrapolation value
  bool identity = false;      // element o is element o of the input
};
// Of outputs [begin, end) along `axis` of a concrete Resize; the input axis must not be empty.
ResizeAxis resize_axis(const OpInstance& op, int axis, int64_t begin, int64_t end);

}  // namespace lathe
