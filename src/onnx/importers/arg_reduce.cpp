// SPDX-License-Identifier: Apache-2.0
// ArgMax and ArgMin.
#include "onnx/import_axes.h"

namespace lathe {

Status import_arg_reduce(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "data"));
  Attrs attrs;
  attrs.set("kind", std::string(n.type() == "ArgMax" ? "max" : "min"));
  attrs.set("axis", LATHE_TRY(positive_axis(n.i("axis", 0), x->type.rank())));
  attrs.set("keepdims", int64_t{n.i("keepdims", 1) != 0});
  attrs.set("last", int64_t{n.i("select_last_index", 0) != 0});
  return n.result(LATHE_TRY(n.add("ArgReduce", {x}, std::move(attrs))));
}

}  // namespace lathe
