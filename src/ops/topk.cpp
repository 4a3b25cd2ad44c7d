// SPDX-License-Identifier: Apache-2.0
// TopK: the k largest or smallest elements of an axis, and where they stand.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/axes.h"
#include "ops/reference_util.h"

namespace lathe {
namespace {

Status infer_topk(InferContext& c) {
  const DType t = c.dtype(0);
  if (!is_computable(t) || t == DType::Bool) {
    return invalid("x has type {}, expected a number", to_string(t));
  }
  Shape y = c.shape(0);
  const int axis = LATHE_TRY(axis_of(c.attrs, "axis", y.rank()));
  LATHE_TRY(require_flag(c.attrs, "largest"));
  LATHE_TRY(require_flag(c.attrs, "sorted"));
  const Dims& k = c.attrs.dims("k");
  if (k.size() != 1) return invalid("k has {} values, expected 1", k.size());
  const std::string what =
      fmt::format("k {} of axis {} of x {}", k[0].to_string(), axis, y.to_string());
  for (const Dim& d : {k[0], y[axis] - k[0]}) {
    if (d.provably_nonnegative()) continue;
    if (d.is_constant()) return invalid("{}: expected 0 to the size of the axis", what);
    c.constraints.push_back({Constraint::Kind::Nonnegative, d, Dim(), what});
  }
  y[axis] = k[0];
  c.add(t, y);
  c.add(DType::I64, std::move(y));
  return {};
}

// Strict order of values: NaN is larger than every number.
template <class T>
bool less(T a, T b) {
  if constexpr (!std::is_integral_v<T>) {
    const double x = static_cast<double>(a), y = static_cast<double>(b);
    if (std::isnan(x) || std::isnan(y)) return !std::isnan(x) && std::isnan(y);
    return x < y;
  } else {
    return a < b;
  }
}

Status reference_topk(const RefArgs& a) {
  const Attrs& attrs = a.op.attrs;
  const std::vector<int64_t> sizes = a.in[0].shape().sizes(), strides = row_strides(sizes);
  const int axis = LATHE_TRY(axis_of(attrs, "axis", static_cast<int>(sizes.size())));
  const auto along = static_cast<size_t>(axis);
  const int64_t step = strides[along], k = a.box.end[along];
  const bool largest = attrs.i("largest") != 0;
  const std::span<int64_t> indices = a.out[1].mutable_span<int64_t>();
  std::vector<int64_t> order(static_cast<size_t>(sizes[along]));
  visit_number(a.in[0].dtype(), [&]<class T>() {
    const std::span<const T> x = a.in[0].span<T>();
    const std::span<T> values = a.out[0].mutable_span<T>();
    for_each_row(a.box, axis, [&](const int64_t* at, int64_t place, int64_t place_step) {
      const T* row = x.data() + offset_of(at, strides);
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
        return largest ? less(row[j * step], row[i * step]) : less(row[i * step], row[j * step]);
      });
      for (int64_t j = 0; j < k; ++j, place += place_step) {
        const int64_t from = order[static_cast<size_t>(j)];
        values[static_cast<size_t>(place)] = row[from * step];
        indices[static_cast<size_t>(place)] = from;
        put_exact(a, place);
      }
    });
  });
  return {};
}

Cost cost_topk(const OpInstance& op) {
  const double n = static_cast<double>(op.in[0].shape.elements());
  return {n * 10, cost_of_elements(op, 0).bytes};
}

constexpr AttrDef kTopkAttrs[] = {
    {"axis", AttrKind::Int, "-1", "the axis searched"},
    {"k", AttrKind::Dims, "", "one value: how many elements"},
    {"largest", AttrKind::Int, "1", "1: the largest; 0: the smallest"},
    {"sorted", AttrKind::Int, "1", "0: the order of the results does not matter to the reader"},
};

}  // namespace

const OpDef& op_topk() {
  static constexpr OpDef def{
      .name = "TopK",
      .doc =
          "The k largest (smallest) elements of x along `axis` in descending (ascending) order, "
          "and "
          "their indices there. Of equal elements the one with the lower index comes first; NaN is "
          "larger than every number. x and values: one number type, indices: i64. The result is "
          "the same whatever `sorted` says. ONNX TopK.",
      .operands = "x",
      .results = "values indices",
      .attrs = kTopkAttrs,
      .flags = kNone,  // two outputs, and an element needs its whole row
      .tolerance = {0, "a selection is exact"},
      .infer = infer_topk,
      .reference = reference_topk,
      .cost = cost_topk,
  };
  return def;
}

}  // namespace lathe
