// SPDX-License-Identifier: Apache-2.0
// Trilu: the upper or lower triangle, k known.
#include "onnx/import_axes.h"

namespace lathe {

Status import_trilu(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "input"));
  Ints k{0};
  if (n.in(1)) k = LATHE_TRY(n.ints_of(1, "k"));
  if (k.size() != 1) return invalid("k has {} elements", k.size());
  Attrs attrs;
  attrs.set("upper", int64_t{n.i("upper", 1) != 0}).set("k", k[0]);
  return n.result(LATHE_TRY(n.add("Trilu", {x}, std::move(attrs))));
}

}  // namespace lathe
