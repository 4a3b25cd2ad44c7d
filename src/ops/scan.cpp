// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/control_flow.h"

namespace lathe {
namespace {

Status check_scan_axis(int64_t axis, int rank, std::string_view what, size_t k) {
  if (axis >= 0 && axis < rank) return {};
  return invalid("{} {}: axis {} is out of range for rank {}", what, k, axis, rank);
}

Status check_scan_lists(const InferContext& c, size_t scanned, size_t collected) {
  const std::pair<std::string_view, size_t> lists[] = {
      {"axes", scanned}, {"reverse", scanned}, {"out_axes", collected}, {"out_reverse", collected}};
  for (const auto& [name, expected] : lists) {
    if (c.attrs.ints(name).size() == expected) continue;
    return invalid("{} has {} entries, expected {}", name, c.attrs.ints(name).size(), expected);
  }
  return {};
}

// Operand k without the dimension that is scanned, and that dimension.
Result<Dim> check_scanned(const InferContext& c, size_t k, int64_t axis) {
  const TensorType &whole = c.in[k], &given = c.regions[0].in[k];
  if (whole.absent()) return invalid("operand {} is missing", k);
  LATHE_TRY(check_scan_axis(axis, whole.rank(), "operand", k));
  TensorType part{whole.dtype, {}, whole.layout};
  for (int d = 0; d < whole.rank(); ++d) {
    if (d != axis) part.shape.push_back(whole.shape[d]);
  }
  if (part == given) return whole.shape[static_cast<int>(axis)];
  return invalid("body: input {} is {}, expected {}", k, given.to_string(), part.to_string());
}

// What the body collects, stacked along dimension `axis` of the result.
Result<TensorType> stacked(const InferContext& c, const TensorType& each, int64_t axis,
                           const Dim& length, size_t result) {
  LATHE_TRY(check_scan_axis(axis, each.rank() + 1, "result", result));
  TensorType y{each.dtype, {}, each.layout};
  for (int d = 0, from = 0; d <= each.rank(); ++d) {
    const Dim size = d == axis ? length : each.shape[from++];
    y.shape.push_back(LATHE_TRY(outer_size(c, size, c.regions[0], result, d)));
  }
  return y;
}

Status infer_scan(InferContext& c) {
  const int64_t carried = c.attrs.i("carried"), scanned = c.attrs.i("scanned");
  if (carried < 0 || scanned < 1 || carried > c.operands() || scanned > c.operands() - carried) {
    return invalid("carried is {} and scanned {}, and {} operands are given", carried, scanned,
                   c.operands());
  }
  const auto states = static_cast<size_t>(carried), own = static_cast<size_t>(carried + scanned);
  const RegionType& body = c.regions[0];
  LATHE_TRY(check_symbols(c));
  LATHE_TRY(check_captures(c, body, own, own, "body"));
  if (body.out.size() < states)
    return invalid("body gives {} results, expected {} or more", body.out.size(), states);
  LATHE_TRY(check_scan_lists(c, own - states, body.out.size() - states));
  Dim length;
  for (size_t k = states; k < own; ++k) {
    const Dim size = LATHE_TRY(check_scanned(c, k, c.attrs.ints("axes")[k - states]));
    if (k == states) length = size;
    LATHE_TRY(c.require_equal(length, size, "lengths of what is scanned"));
  }
  for (size_t k = 0; k < states; ++k) c.out.push_back(LATHE_TRY(carry(c, {k, k, k, k})));
  for (size_t k = states; k < body.out.size(); ++k) {
    const int64_t axis = c.attrs.ints("out_axes")[k - states];
    c.out.push_back(LATHE_TRY(stacked(c, body.out[k], axis, length, k)));
  }
  return c.require(!c.out.empty(), "the scan gives nothing");
}

size_t own_of_scan(const Attrs& attrs) {
  return static_cast<size_t>(attrs.i("carried") + attrs.i("scanned"));
}

}  // namespace

const OpDef& op_scan() {
  static constexpr AttrDef attrs[] = {
      {"carried", AttrKind::Int, "", "how many values go round; they are the first operands"},
      {"scanned", AttrKind::Int, "", "how many operands behind them are taken slice by slice"},
      {"axes", AttrKind::Ints, "", "of each scanned operand: the dimension that is taken apart"},
      {"reverse", AttrKind::Ints, "", "of each: 1 begins at its end"},
      {"out_axes", AttrKind::Ints, "", "of each collected result: the dimension that is new"},
      {"out_reverse", AttrKind::Ints, "", "of each: 1 fills it from its end"},
      {"symbols", AttrKind::Text, "\"\"", kSymbolsDoc},
  };
  static constexpr OpDef def{
      .name = "Scan",
      .doc =
          "values..., collected... = body(values..., slices..., captures...) for each slice of the "
          "scanned operands, which have one length. y... = the values at last, then what was "
          "collected, stacked. A value keeps its element type and rank; a size of it that changes "
          "is a symbol of the node. ONNX Scan.",
      .operands = "values...",
      .results = "y...",
      .attrs = attrs,
      .flags = kNone,
      .infer = infer_scan,
      .regions = "body",
      .own_operands = own_of_scan,
  };
  return def;
}

}  // namespace lathe
