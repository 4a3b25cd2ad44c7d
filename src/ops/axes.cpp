// SPDX-License-Identifier: Apache-2.0
// Attributes that many operators have, read and checked.
#include "ops/axes.h"

#include <algorithm>
#include <string>

namespace lathe {

Result<std::vector<int>> axes_of(const Attrs& attrs, std::string_view name, int rank) {
  Result<std::vector<int>> axes = normalize_axes(attrs.ints(name), rank);
  if (!axes.ok()) return std::move(axes).status().at(name);
  std::sort(axes->begin(), axes->end());
  return axes;
}

Result<int> axis_of(const Attrs& attrs, std::string_view name, int rank) {
  Result<int> axis = normalize_axis(attrs.i(name), rank);
  if (!axis.ok()) return std::move(axis).status().at(name);
  return axis;
}

int axis_of(const OpInstance& op, int rank) { return *axis_of(op.attrs, "axis", rank); }

Status require_flag(const Attrs& attrs, std::string_view name) {
  const int64_t v = attrs.i(name);
  return v == 0 || v == 1 ? Status() : invalid("{} is {}, expected 0 or 1", name, v);
}

Result<int> word_of(const Attrs& attrs, std::string_view name,
                    std::span<const std::string_view> words) {
  const std::string& text = attrs.text(name);
  std::string expected;
  for (size_t k = 0; k < words.size(); ++k) {
    if (words[k] == text) return static_cast<int>(k);
    expected += (k == 0 ? "" : ", ") + std::string(words[k]);
  }
  return invalid("{} is \"{}\", expected one of {}", name, text, expected);
}

Status require_broadcast_to(InferContext& c, const Shape& from, const Shape& to,
                            std::string_view operand) {
  const std::string what =
      fmt::format("{} of shape {} broadcast to {}", operand, from.to_string(), to.to_string());
  if (from.rank() > to.rank()) return invalid("{}: its rank is too large", what);
  Result<Shape> both = c.broadcast(from, to);
  if (!both.ok()) return std::move(both).status().at(what);
  for (int d = 0; d < to.rank(); ++d) {
    LATHE_TRY(c.require_equal((*both)[d], to[d], what));
  }
  return {};
}

}  // namespace lathe
