// SPDX-License-Identifier: Apache-2.0
// Shape and Size: dimension expressions as a tensor, so that what is computed from them vanishes.
#include <algorithm>

#include "onnx/node_import.h"

namespace lathe {

Status import_shape(NodeImport& n) {
  const Shape& shape = LATHE_TRY(n.need(0, "data"))->type.shape;
  if (n.type() == "Size") return n.result(LATHE_TRY(n.dims_value({shape.count()}, {})));
  const int64_t rank = shape.rank();
  auto clamp = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
  const int64_t start = clamp(std::max(n.i("start", 0), -rank));
  const int64_t end = clamp(std::max(n.i("end", rank), -rank - 1));
  Dims values;
  for (int64_t d = start; d < end; ++d) values.push_back(shape[static_cast<int>(d)]);
  const auto count = static_cast<int64_t>(values.size());
  return n.result(LATHE_TRY(n.dims_value(std::move(values), {count})));
}

}  // namespace lathe
