// SPDX-License-Identifier: Apache-2.0
#include "onnx/import_axes.h"

#include <algorithm>
#include <numeric>

namespace lathe {

Result<std::optional<Ints>> operand_or_attribute(NodeImport& n, size_t k, std::string_view name) {
  if (n.in(k)) return std::optional<Ints>(LATHE_TRY(n.ints_of(k, name)));
  if (n.has(name)) return std::optional<Ints>(n.ints(name));
  return std::optional<Ints>();
}

Result<int64_t> positive_axis(int64_t axis, int rank) {
  return static_cast<int64_t>(LATHE_TRY(normalize_axis(axis, rank)));
}

Result<Ints> positive_axes(const Ints& axes, int rank) {
  Ints out;
  for (int64_t axis : axes) {
    const int64_t a = LATHE_TRY(positive_axis(axis, rank));
    if (std::find(out.begin(), out.end(), a) != out.end()) {
      return invalid("axis {} is given twice", axis);
    }
    out.push_back(a);
  }
  return out;
}

Ints all_axes(int rank) {
  Ints out(static_cast<size_t>(rank));
  std::iota(out.begin(), out.end(), int64_t{0});
  return out;
}

Dims dims_list(const Shape& shape) { return Dims(shape.begin(), shape.end()); }

std::string literal(double value) { return fmt::format("{:.17g}:$", value); }

}  // namespace lathe
