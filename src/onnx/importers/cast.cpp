// SPDX-License-Identifier: Apache-2.0
// Cast and CastLike.
#include "onnx/node_import.h"

namespace lathe {

Status import_cast(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "input"));
  n.without_effect({"saturate", "round_mode"});  // of types under FP16, which are refused
  DType to = DType::None;
  if (n.type() == "CastLike") {
    to = LATHE_TRY(n.need(1, "target_type"))->type.dtype;
  } else {
    to = LATHE_TRY(n.dtype("to", DType::None));
    if (to == DType::None) return invalid("attribute 'to' is missing");
  }
  if (to == x->type.dtype) return n.result(x);
  if (!is_computable(to) || !is_computable(x->type.dtype)) {
    return unsupported("casting {} to {} is not implemented", to_string(x->type.dtype),
                       to_string(to));
  }
  return n.result(LATHE_TRY(n.cast(x, to)));
}

}  // namespace lathe
