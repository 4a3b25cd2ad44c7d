// SPDX-License-Identifier: Apache-2.0
// ConstantOfShape: one value, expanded. Small integer ones are tracked as known contents.
#include "onnx/node_import.h"

namespace lathe {

Status import_constant_of_shape(NodeImport& n) {
  Dims shape = LATHE_TRY(n.sizes_of(0, "input"));
  HostTensor value = HostTensor::scalar(0.0f);
  if (n.has("value")) value = LATHE_TRY(n.tensor("value"));
  if (value.elements() != 1) return invalid("the value has {} elements, not 1", value.elements());
  Attrs attrs;
  attrs.set("shape", std::move(shape));
  Value* scalar = n.constant(value.reshaped({}));
  return n.result(LATHE_TRY(n.add("Expand", {scalar}, std::move(attrs))));
}

}  // namespace lathe
