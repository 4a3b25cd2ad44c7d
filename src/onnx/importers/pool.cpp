// SPDX-License-Identifier: Apache-2.0
// MaxPool, AveragePool and LpPool.
#include "onnx/import_window.h"

namespace lathe {

Status import_pool(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "X"));
  if (n.wants(1)) return unsupported("the indices of MaxPool are not implemented");
  n.without_effect({"storage_order"});  // of the indices
  if (!n.has("kernel_shape")) return invalid("attribute 'kernel_shape' is missing");
  const WindowAttrs w = LATHE_TRY(read_window(n, x->type.shape, {}));
  Attrs attrs = window_attrs(w);
  attrs.set("kernel", w.kernel);
  attrs.set("kind", std::string(n.type() == "MaxPool"       ? "max"
                                : n.type() == "AveragePool" ? "average"
                                                            : "lp"));
  attrs.set("ceil", int64_t{n.i("ceil_mode", 0) != 0});
  attrs.set("count_include_pad", int64_t{n.i("count_include_pad", 0) != 0}).set("p", n.i("p", 2));
  return n.result(LATHE_TRY(n.add("Pool", {x}, std::move(attrs))));
}

}  // namespace lathe
