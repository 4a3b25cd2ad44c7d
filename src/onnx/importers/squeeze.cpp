// SPDX-License-Identifier: Apache-2.0
// Squeeze and Unsqueeze.
#include <algorithm>

#include "onnx/import_axes.h"

namespace lathe {
namespace {

Status squeeze(NodeImport& n, Value* x, const std::optional<Ints>& given) {
  const Shape& shape = x->type.shape;
  Ints axes;
  if (given) {
    axes = LATHE_TRY(positive_axes(*given, shape.rank()));
  } else {
    for (int d = 0; d < shape.rank(); ++d) {
      if (!shape[d].is_constant()) {
        return unsupported("without axes, every dimension of {} must be known", shape.to_string());
      }
      if (shape[d].is(1)) axes.push_back(d);
    }
  }
  Dims out;
  for (int d = 0; d < shape.rank(); ++d) {
    if (std::find(axes.begin(), axes.end(), d) == axes.end()) {
      out.push_back(shape[d]);
    } else if (shape[d].is_constant() && !shape[d].is(1)) {
      return invalid("dimension {} of {} is not 1", d, shape.to_string());
    }
  }
  return n.result(LATHE_TRY(n.reshape(x, std::move(out))));
}

Status unsqueeze(NodeImport& n, Value* x, const std::optional<Ints>& given) {
  if (!given) return invalid("axes are missing");
  const int rank = x->type.rank() + static_cast<int>(std::min<size_t>(given->size(), 64));
  const Ints axes = LATHE_TRY(positive_axes(*given, rank));
  Dims out;
  int from = 0;
  for (int d = 0; d < rank; ++d) {
    const bool added = std::find(axes.begin(), axes.end(), d) != axes.end();
    out.push_back(added ? Dim(1) : x->type.shape[from++]);
  }
  return n.result(LATHE_TRY(n.reshape(x, std::move(out))));
}

}  // namespace

Status import_squeeze(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "data"));
  const std::optional<Ints> axes = LATHE_TRY(operand_or_attribute(n, 1, "axes"));
  return n.type() == "Squeeze" ? squeeze(n, x, axes) : unsqueeze(n, x, axes);
}

}  // namespace lathe
