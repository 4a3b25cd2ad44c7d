// SPDX-License-Identifier: Apache-2.0
// LRN.
#include "onnx/node_import.h"

namespace lathe {

Status import_lrn(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "X"));
  Attrs attrs;
  attrs.set("alpha", n.f("alpha", 1e-4))
      .set("beta", n.f("beta", 0.75))
      .set("bias", n.f("bias", 1.0));
  attrs.set("size", n.i("size", 0));
  return n.result(LATHE_TRY(n.add("Lrn", {x}, std::move(attrs))));
}

}  // namespace lathe
