// SPDX-License-Identifier: Apache-2.0
// IsInf, of one sign or of both.
#include "onnx/node_import.h"

namespace lathe {

Status import_is_inf(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "X"));
  const bool positive = n.i("detect_positive", 1) != 0;
  const bool negative = n.i("detect_negative", 1) != 0;
  const char* body = positive && negative ? "isinf(%0)"
                     : positive           ? "and(isinf(%0), gt(%0, 0:$))"
                     : negative           ? "and(isinf(%0), lt(%0, 0:$))"
                                          : "and(isinf(%0), ne(%0, %0))";
  return n.result(LATHE_TRY(n.pointwise(body, {x})));
}

}  // namespace lathe
