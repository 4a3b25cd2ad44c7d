// SPDX-License-Identifier: Apache-2.0
// Identity, and Dropout, which is the identity at inference. Exporters leave training_mode on; an
// engine drops nothing all the same. Only the mask that training would draw is refused.
#include "onnx/node_import.h"

namespace lathe {
namespace {

bool is_scalar(const std::optional<HostTensor>& t) {
  return t && t->elements() == 1 && is_computable(t->dtype());
}

// The mask would be random: training_mode is not known to be false, nor the ratio to be 0.
bool draws_mask(NodeImport& n) {
  if (n.type() != "Dropout" || !n.in(2)) return false;
  const std::optional<HostTensor> training = n.fold(n.in(2));
  if (is_scalar(training) && training->get_f64(0) == 0) return false;
  if (!n.in(1)) return true;
  const std::optional<HostTensor> ratio = n.fold(n.in(1));
  return !is_scalar(ratio) || ratio->get_f64(0) != 0;
}

}  // namespace

Status import_identity(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "input"));
  n.without_effect({"is_test", "ratio", "seed"});
  LATHE_TRY(n.result(x));
  if (!n.wants(1)) return {};
  if (draws_mask(n)) {
    return unsupported("the mask must be known when the model is built, and training draws it");
  }
  const DType type = n.opset() < 10 ? x->type.dtype : DType::Bool;
  Attrs shape;
  shape.set("shape", Dims(x->type.shape.begin(), x->type.shape.end()));
  return n.result(LATHE_TRY(n.add("Expand", {n.scalar(type, 1)}, std::move(shape))), 1);
}

}  // namespace lathe
