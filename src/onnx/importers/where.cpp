// SPDX-License-Identifier: Apache-2.0
// Where(condition, X, Y).
#include "onnx/node_import.h"

namespace lathe {

Status import_where(NodeImport& n) {
  Value* condition = LATHE_TRY(n.need(0, "condition"));
  Value* x = LATHE_TRY(n.need(1, "X"));
  Value* y = LATHE_TRY(n.need(2, "Y"));
  if (x->type.dtype != y->type.dtype) {
    return invalid("X is {} and Y is {}", to_string(x->type.dtype), to_string(y->type.dtype));
  }
  return n.result(LATHE_TRY(n.pointwise("select(%0, %1, %2)", {condition, x, y})));
}

}  // namespace lathe
