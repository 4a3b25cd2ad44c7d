// SPDX-License-Identifier: Apache-2.0
// Gather, GatherElements and GatherND.
#include "onnx/import_axes.h"

namespace lathe {

Status import_gather(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "data"));
  Value* indices = LATHE_TRY(n.need(1, "indices"));
  Attrs attrs;
  if (n.type() == "GatherND") {
    attrs.set("batch_dims", n.i("batch_dims", 0));
  } else {
    attrs.set("axis", LATHE_TRY(positive_axis(n.i("axis", 0), x->type.rank())));
  }
  return n.result(LATHE_TRY(n.add(n.type(), {x, indices}, std::move(attrs))));
}

}  // namespace lathe
