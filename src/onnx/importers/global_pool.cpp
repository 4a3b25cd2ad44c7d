// SPDX-License-Identifier: Apache-2.0
// GlobalAveragePool, GlobalMaxPool and GlobalLpPool: reductions over the spatial dimensions.
#include "onnx/import_axes.h"

namespace lathe {

Status import_global_pool(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "X"));
  if (x->type.rank() < 2) return invalid("the input {} has no channels", x->type.to_string());
  Ints axes = all_axes(x->type.rank());
  axes.erase(axes.begin(), axes.begin() + 2);
  if (axes.empty()) return n.result(x);
  std::string kind = n.type() == "GlobalMaxPool" ? "max" : "mean";
  if (n.type() == "GlobalLpPool") {
    const int64_t p = n.i("p", 2);
    if (p != 1 && p != 2) return unsupported("the norm p={} is not implemented", p);
    kind = p == 1 ? "l1" : "l2";
  }
  Attrs attrs;
  attrs.set("kind", kind).set("axes", axes).set("keepdims", int64_t{1});
  return n.result(LATHE_TRY(n.add("Reduce", {x}, std::move(attrs))));
}

}  // namespace lathe
