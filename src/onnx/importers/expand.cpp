// SPDX-License-Identifier: Apache-2.0
// Expand: broadcasting both ways between the operand and the shape.
#include <algorithm>

#include "onnx/import_axes.h"

namespace lathe {

Status import_expand(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "input"));
  const Dims shape = LATHE_TRY(n.sizes_of(1, "shape"));
  const Shape& from = x->type.shape;
  const int rank = std::max(from.rank(), static_cast<int>(shape.size()));
  const int skip_x = rank - from.rank(), skip = rank - static_cast<int>(shape.size());
  Dims out;
  for (int d = 0; d < rank; ++d) {
    const Dim a = d < skip_x ? Dim(1) : from[d - skip_x];
    const Dim b = d < skip ? Dim(1) : shape[static_cast<size_t>(d - skip)];
    if (a == b || b.is(1)) {
      out.push_back(a);
    } else if (a.is(1)) {
      out.push_back(b);
    } else if (a.is_constant() && b.is_constant()) {
      return invalid("{} cannot be expanded to {}", from.to_string(), Shape(shape).to_string());
    } else {
      out.push_back(a.is_constant() ? a : b.is_constant() ? b : Dim::broadcast(a, b));
    }
  }
  if (Shape(out) == from) return n.result(x);
  return n.result(LATHE_TRY(n.add("Expand", {x}, Attrs().set("shape", std::move(out)))));
}

}  // namespace lathe
