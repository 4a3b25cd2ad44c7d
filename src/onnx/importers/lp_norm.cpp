// SPDX-License-Identifier: Apache-2.0
// LpNormalization: x divided by its L1 or L2 norm along an axis; 0 where the norm is 0.
#include "onnx/import_axes.h"

namespace lathe {

Status import_lp_norm(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "input"));
  const int64_t axis = LATHE_TRY(positive_axis(n.i("axis", -1), x->type.rank()));
  const int64_t p = n.i("p", 2);
  if (p != 1 && p != 2) return invalid("p is {}, not 1 or 2", p);
  Attrs attrs;
  attrs.set("kind", std::string(p == 1 ? "l1" : "l2")).set("axes", Ints{axis});
  attrs.set("keepdims", int64_t{1});
  Value* norm = LATHE_TRY(n.add("Reduce", {x}, std::move(attrs)));
  return n.result(LATHE_TRY(n.pointwise("select(eq(%1, 0:$), 0:$, div(%0, %1))", {x, norm})));
}

}  // namespace lathe
