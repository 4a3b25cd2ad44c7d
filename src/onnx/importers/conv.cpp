// SPDX-License-Identifier: Apache-2.0
// Conv.
#include "onnx/import_window.h"

namespace lathe {

Status import_conv(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "X"));
  Value* w = LATHE_TRY(n.need(1, "W"));
  if (w->type.rank() != x->type.rank()) {
    return invalid("X {} and W {} differ in rank", x->type.to_string(), w->type.to_string());
  }
  const Ints kernel = LATHE_TRY(kernel_of(w->type.shape));
  Attrs attrs = window_attrs(LATHE_TRY(read_window(n, x->type.shape, kernel)));
  attrs.set("group", n.i("group", 1));
  std::vector<Value*> operands{x, w};
  if (n.in(2)) operands.push_back(n.in(2));
  return n.result(LATHE_TRY(n.add("Conv", std::move(operands), std::move(attrs))));
}

}  // namespace lathe
