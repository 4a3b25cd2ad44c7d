// SPDX-License-Identifier: Apache-2.0
// Identity, and Dropout as inference has it: the operand itself. Dropout's mask is all true.
#include "onnx/node_import.h"

namespace lathe {

Status import_identity(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "input"));
  LATHE_TRY(n.result(x));
  if (n.type() == "Dropout" && n.in(2)) {
    HostTensor training = LATHE_TRY(n.constant_of(2, "training_mode"));
    if (training.elements() == 1 && training.get_f64(0) != 0) {
      return unsupported("Dropout in training mode is random");
    }
  }
  if (!n.wants(1)) return {};
  const DType type = n.opset() < 10 ? x->type.dtype : DType::Bool;
  Attrs shape;
  shape.set("shape", Dims(x->type.shape.begin(), x->type.shape.end()));
  return n.result(LATHE_TRY(n.add("Expand", {n.scalar(type, 1)}, std::move(shape))), 1);
}

}  // namespace lathe
