// SPDX-License-Identifier: Apache-2.0
// Boxes of coordinates.
#include <algorithm>

#include "ops/op.h"

namespace lathe {

Box Box::whole(const Shape& concrete) {
  Box box;
  box.end = concrete.sizes();
  box.begin.assign(box.end.size(), 0);
  return box;
}

int64_t Box::elements() const {
  int64_t n = 1;
  for (size_t d = 0; d < begin.size(); ++d) n *= end[d] - begin[d];
  return n;
}

std::vector<Box> Box::split(int64_t parts) const {
  size_t axis = 0;
  while (axis < begin.size() && end[axis] - begin[axis] <= 1) ++axis;
  if (axis == begin.size()) return {*this};
  const int64_t length = end[axis] - begin[axis];
  parts = std::clamp<int64_t>(parts, 1, length);
  std::vector<Box> out(static_cast<size_t>(parts), *this);
  for (int64_t k = 0; k < parts; ++k) {
    out[static_cast<size_t>(k)].begin[axis] = begin[axis] + length * k / parts;
    out[static_cast<size_t>(k)].end[axis] = begin[axis] + length * (k + 1) / parts;
  }
  return out;
}

bool Box::is_whole(const Shape& concrete) const {
  Box all = whole(concrete);
  return begin == all.begin && end == all.end;
}

}  // namespace lathe
