// SPDX-License-Identifier: Apache-2.0
// TopK: k as an attribute (below opset 10) or an operand.
#include "onnx/import_axes.h"

namespace lathe {

Status import_topk(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "X"));
  Dims k{n.i("k", 0)};
  if (n.opset() >= 10) k = LATHE_TRY(n.sizes_of(1, "K"));
  if (k.size() != 1) return invalid("K has {} elements", k.size());
  Attrs attrs;
  attrs.set("axis", LATHE_TRY(positive_axis(n.i("axis", -1), x->type.rank())));
  attrs.set("k", k).set("largest", n.i("largest", 1)).set("sorted", n.i("sorted", 1));
  Node* node = LATHE_TRY(n.add_node("TopK", {x}, std::move(attrs)));
  LATHE_TRY(n.result(node->out(0), 0));
  return n.result(node->out(1), 1);
}

}  // namespace lathe
