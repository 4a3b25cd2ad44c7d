// SPDX-License-Identifier: Apache-2.0
// CumSum along a known axis.
#include "onnx/import_axes.h"

namespace lathe {

Status import_cum_sum(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "x"));
  const Ints axis = LATHE_TRY(n.ints_of(1, "axis"));
  if (axis.size() != 1) return invalid("axis has {} elements", axis.size());
  Attrs attrs;
  attrs.set("axis", LATHE_TRY(positive_axis(axis[0], x->type.rank())));
  attrs.set("exclusive", n.i("exclusive", 0)).set("reverse", n.i("reverse", 0));
  return n.result(LATHE_TRY(n.add("CumSum", {x}, std::move(attrs))));
}

}  // namespace lathe
