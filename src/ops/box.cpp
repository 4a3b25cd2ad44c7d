// SPDX-License-Identifier: Apache-2.0
// Boxes of coordinates.
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

bool Box::is_whole(const Shape& concrete) const {
  Box all = whole(concrete);
  return begin == all.begin && end == all.end;
}

}  // namespace lathe
