// SPDX-License-Identifier: Apache-2.0
// Tile (repeats as an operand, since opset 6).
#include "onnx/import_axes.h"

namespace lathe {

Status import_tile(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "input"));
  Dims repeats = LATHE_TRY(n.sizes_of(1, "repeats"));
  return n.result(LATHE_TRY(n.add("Tile", {x}, Attrs().set("repeats", std::move(repeats)))));
}

}  // namespace lathe
