// SPDX-License-Identifier: Apache-2.0
// ScatterElements (Scatter below opset 11) and ScatterND.
#include "onnx/import_axes.h"

namespace lathe {

Status import_scatter(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "data"));
  Value* indices = LATHE_TRY(n.need(1, "indices"));
  Value* updates = LATHE_TRY(n.need(2, "updates"));
  Attrs attrs;
  attrs.set("reduction", n.s("reduction", "none"));
  const bool nd = n.type() == "ScatterND";
  if (!nd) attrs.set("axis", LATHE_TRY(positive_axis(n.i("axis", 0), x->type.rank())));
  return n.result(LATHE_TRY(
      n.add(nd ? "ScatterND" : "ScatterElements", {x, indices, updates}, std::move(attrs))));
}

}  // namespace lathe
