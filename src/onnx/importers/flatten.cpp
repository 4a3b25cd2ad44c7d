// SPDX-License-Identifier: Apache-2.0
// Flatten: a matrix of what is before `axis` by what is from it on.
#include "onnx/import_axes.h"

namespace lathe {

Status import_flatten(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "input"));
  const int rank = x->type.rank();
  int64_t axis = n.i("axis", 1);
  if (axis < -rank || axis > rank)
    return invalid("axis {} is out of range for rank {}", axis, rank);
  if (axis < 0) axis += rank;
  Dim rows = 1, columns = 1;
  for (int d = 0; d < rank; ++d) {
    Dim& side = d < axis ? rows : columns;
    side = side * x->type.shape[d];
  }
  return n.result(LATHE_TRY(n.reshape(x, {rows, columns})));
}

}  // namespace lathe
