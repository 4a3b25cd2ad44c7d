// SPDX-License-Identifier: Apache-2.0
// MatMul with NumPy's rules: a vector is a matrix of one row or column, dropped afterwards.
#include "onnx/import_axes.h"

namespace lathe {

Status import_matmul(NodeImport& n) {
  Value* a = LATHE_TRY(n.need(0, "A"));
  Value* b = LATHE_TRY(n.need(1, "B"));
  const bool row = a->type.rank() == 1, column = b->type.rank() == 1;
  if (a->type.rank() == 0 || b->type.rank() == 0) return invalid("an operand is a scalar");
  if (row) a = LATHE_TRY(n.reshape(a, {1, a->type.shape[0]}));
  if (column) b = LATHE_TRY(n.reshape(b, {b->type.shape[0], 1}));
  Value* y = LATHE_TRY(n.add("MatMul", {a, b}));
  if (!row && !column) return n.result(y);
  Dims shape = dims_list(y->type.shape);
  if (column) shape.pop_back();
  if (row) shape.erase(shape.end() - (column ? 1 : 2));
  return n.result(LATHE_TRY(n.reshape(y, std::move(shape))));
}

}  // namespace lathe
