// SPDX-License-Identifier: Apache-2.0
// OneHot: indices of any number type; out of range ones give a row of the off value.
#include "onnx/import_axes.h"

namespace lathe {

Status import_one_hot(NodeImport& n) {
  Value* indices = LATHE_TRY(n.need(0, "indices"));
  Value* values = LATHE_TRY(n.need(2, "values"));
  HostTensor depth = LATHE_TRY(n.constant_of(1, "depth"));
  if (depth.elements() != 1 || !is_computable(depth.dtype()))
    return invalid("depth is not a scalar");
  if (!is_int(indices->type.dtype)) indices = LATHE_TRY(n.cast(indices, DType::I64));
  const int64_t axis = LATHE_TRY(positive_axis(n.i("axis", -1), indices->type.rank() + 1));
  Attrs attrs;
  attrs.set("axis", axis).set("depth", Dims{depth.get_i64(0)});
  return n.result(LATHE_TRY(n.add("OneHot", {indices, values}, std::move(attrs))));
}

}  // namespace lathe
