// SPDX-License-Identifier: Apache-2.0
// ArgReduce: where the largest or smallest element of an axis stands.
#include <array>
#include <cmath>

#include "ops/axes.h"
#include "ops/reference_util.h"

namespace lathe {
namespace {

constexpr std::array<std::string_view, 2> kArgReduceKinds = {"max", "min"};

Status infer_arg_reduce(InferContext& c) {
  LATHE_TRY(word_of(c.attrs, "kind", kArgReduceKinds));
  const DType t = c.dtype(0);
  if (!is_computable(t) || t == DType::Bool) {
    return invalid("x has type {}, expected a number", to_string(t));
  }
  const Shape& x = c.shape(0);
  const int axis = LATHE_TRY(axis_of(c.attrs, "axis", x.rank()));
  LATHE_TRY(require_flag(c.attrs, "keepdims"));
  LATHE_TRY(require_flag(c.attrs, "last"));
  if (x[axis].is(0)) return invalid("axis {} of x {} is empty", axis, x.to_string());
  if (!x[axis].provably_positive()) {
    c.constraints.push_back(
        {Constraint::Kind::Positive, x[axis], Dim(), fmt::format("size of axis {}", axis)});
  }
  Shape y;
  for (int d = 0; d < x.rank(); ++d) {
    if (d != axis) y.push_back(x[d]);
    if (d == axis && c.attrs.i("keepdims") != 0) y.push_back(1);
  }
  c.add(DType::I64, std::move(y));
  return {};
}

// Whether a is ahead of b: NaN is ahead of all numbers.
template <class T>
bool ahead(T a, T b, bool largest) {
  if constexpr (!std::is_integral_v<T>) {
    const double x = static_cast<double>(a), y = static_cast<double>(b);
    if (std::isnan(x) || std::isnan(y)) return std::isnan(x) && !std::isnan(y);
    return largest ? x > y : x < y;
  } else {
    return largest ? a > b : a < b;
  }
}

Status reference_arg_reduce(const RefArgs& a) {
  const Attrs& attrs = a.op.attrs;
  const std::vector<int64_t> sizes = a.in[0].shape().sizes();
  const auto axis =
      static_cast<size_t>(LATHE_TRY(axis_of(attrs, "axis", static_cast<int>(sizes.size()))));
  std::vector<int64_t> outer = row_strides(sizes);
  const int64_t step = outer[axis];
  outer[axis] = 0;
  if (attrs.i("keepdims") == 0) outer.erase(outer.begin() + static_cast<std::ptrdiff_t>(axis));
  const bool largest = attrs.text("kind") == "max", last = attrs.i("last") != 0;
  const std::span<int64_t> y = a.out[0].mutable_span<int64_t>();
  visit_number(a.in[0].dtype(), [&]<class T>() {
    const std::span<const T> x = a.in[0].span<T>();
    for_each(a.box, [&](const int64_t* at, int64_t i) {
      const T* row = x.data() + offset_of(at, outer);
      int64_t best = 0;
      for (int64_t j = 1; j < sizes[axis]; ++j) {
        const T v = row[j * step], leader = row[best * step];
        if (last ? !ahead(leader, v, largest) : ahead(v, leader, largest)) best = j;
      }
      y[static_cast<size_t>(i)] = best;
      put_exact(a, i);
    });
  });
  return {};
}

Cost cost_arg_reduce(const OpInstance& op) {
  return {static_cast<double>(op.in[0].shape.elements()), cost_of_elements(op, 0).bytes};
}

constexpr AttrDef kArgReduceAttrs[] = {
    {"kind", AttrKind::Text, "", "max or min"},
    {"axis", AttrKind::Int, "", "the axis searched"},
    {"keepdims", AttrKind::Int, "1", "1: the axis stays with size 1; 0: it goes"},
    {"last", AttrKind::Int, "0", "1: of equal elements the last one, else the first"},
};

}  // namespace

const OpDef& op_arg_reduce() {
  static constexpr OpDef def{
      .name = "ArgReduce",
      .doc =
          "y = index along `axis` of the largest (smallest) element of x. x: any number type, y: "
          "i64. NaN is ahead of every number, as in NumPy. The axis must not be empty. ONNX "
          "ArgMax and ArgMin.",
      .operands = "x",
      .attrs = kArgReduceAttrs,
      .tolerance = {0, "an index is exact"},
      .infer = infer_arg_reduce,
      .reference = reference_arg_reduce,
      .cost = cost_arg_reduce,
  };
  return def;
}

}  // namespace lathe
