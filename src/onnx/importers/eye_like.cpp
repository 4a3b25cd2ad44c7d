// SPDX-License-Identifier: Apache-2.0
// EyeLike of a matrix whose size is known: a constant.
#include <algorithm>

#include "onnx/node_import.h"

namespace lathe {

Status import_eye_like(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "input"));
  const DType type = LATHE_TRY(n.dtype("dtype", x->type.dtype));
  const int64_t k = n.i("k", 0);
  if (x->type.rank() != 2) return invalid("the input has rank {}, not 2", x->type.rank());
  if (!is_computable(type)) return unsupported("{} is not implemented", to_string(type));
  Attrs shape, diagonal;
  shape.set("shape", Dims(x->type.shape.begin(), x->type.shape.end()));
  Value* ones = LATHE_TRY(n.add("Expand", {n.scalar(type, 1)}, std::move(shape)));
  Value* upper = LATHE_TRY(n.add("Trilu", {ones}, Attrs().set("upper", int64_t{1}).set("k", k)));
  return n.result(LATHE_TRY(n.add("Trilu", {upper}, Attrs().set("upper", int64_t{0}).set("k", k))));
}

}  // namespace lathe
