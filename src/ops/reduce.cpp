// SPDX-License-Identifier: Apache-2.0
// Reduce: sums, extremes, products and norms over axes.
#include <algorithm>
#include <array>
#include <limits>

#include "ops/axes.h"
#include "ops/reference_util.h"

namespace lathe {
namespace {

enum class Kind { Sum, Mean, Max, Min, Prod, L1, L2, LogSum, LogSumExp, SumSquare };
constexpr std::array<std::string_view, 10> kReduceKinds = {
    "sum", "mean", "max", "min", "prod", "l1", "l2", "logsum", "logsumexp", "sumsquare"};

Status infer_reduce(InferContext& c) {
  const Kind kind = static_cast<Kind>(LATHE_TRY(word_of(c.attrs, "kind", kReduceKinds)));
  const DType t = c.dtype(0);
  const bool extreme = kind == Kind::Max || kind == Kind::Min;
  if (!is_computable(t) || (t == DType::Bool && !extreme)) {
    return invalid("x has type {}, expected a number{}", to_string(t), extreme ? " or bool" : "");
  }
  const Shape& x = c.shape(0);
  const std::vector<int> axes = LATHE_TRY(axes_of(c.attrs, "axes", x.rank()));
  LATHE_TRY(require_flag(c.attrs, "keepdims"));
  Shape y;
  for (int d = 0; d < x.rank(); ++d) {
    const bool reduced = std::find(axes.begin(), axes.end(), d) != axes.end();
    if (!reduced) y.push_back(x[d]);
    if (reduced && c.attrs.i("keepdims") != 0) y.push_back(1);
  }
  c.add(t, std::move(y));
  return {};
}

// The elements that one result is made of: x[start(at) + inner offset], for all of `inner`.
struct Extent {
  std::vector<int64_t> outer_strides;  // along y's axes
  std::vector<int64_t> inner_strides;  // along the reduced axes
  Box inner;
  int64_t count;
};

Result<Extent> extent_of(const RefArgs& a) {
  const std::vector<int64_t> sizes = a.in[0].shape().sizes(), strides = row_strides(sizes);
  const std::vector<int> axes =
      LATHE_TRY(axes_of(a.op.attrs, "axes", static_cast<int>(sizes.size())));
  Extent e;
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (std::find(axes.begin(), axes.end(), static_cast<int>(d)) == axes.end()) {
      e.outer_strides.push_back(strides[d]);
      continue;
    }
    if (a.op.attrs.i("keepdims") != 0) e.outer_strides.push_back(0);
    e.inner_strides.push_back(strides[d]);
    e.inner.begin.push_back(0);
    e.inner.end.push_back(sizes[d]);
  }
  e.count = e.inner.elements();
  return e;
}

// Calls f(index in x) for each element of the result at `at`.
template <class F>
void visit_elements(const Extent& e, const int64_t* at, F&& f) {
  const int64_t start = offset_of(at, e.outer_strides);
  for_each(e.inner,
           [&](const int64_t* inner, int64_t) { f(start + offset_of(inner, e.inner_strides)); });
}

struct Value {
  double y, magnitude;
};

// Largest for sign 1, smallest for -1; NaN wins; of nothing, -inf and +inf.
template <class Each>
double extreme(Each&& each, double sign) {
  double most = -std::numeric_limits<double>::infinity();
  each([&](double v) {
    if (std::isnan(v) || sign * v > most) most = sign * v;
  });
  return sign * most;
}

template <class Each>
Value log_sum_exp(Each&& each) {
  const double most = extreme(each, 1);
  if (!std::isfinite(most)) return {most, 0};
  double sum = 0, error = 0;
  each([&](double v) {
    sum += std::exp(v - most);
    error += std::exp(v - most) * (most - v);
  });
  return {most + std::log(sum), std::abs(most) + std::log(sum) + error / sum + 1};
}

template <class Each>
Value reduce_floats(Kind kind, int64_t count, Each&& each) {
  double sum = 0, magnitude = 0, product = 1;
  switch (kind) {
    case Kind::Max: return {extreme(each, 1), 0};
    case Kind::Min: return {extreme(each, -1), 0};
    case Kind::LogSumExp: return log_sum_exp(each);
    case Kind::Prod:
      each([&](double v) { product *= v; });
      return {product, std::abs(product) * static_cast<double>(count)};
    case Kind::L1: each([&](double v) { sum += std::abs(v); }); return {sum, sum};
    case Kind::SumSquare: each([&](double v) { sum += v * v; }); return {sum, sum};
    case Kind::L2: each([&](double v) { sum += v * v; }); return {std::sqrt(sum), std::sqrt(sum)};
    default: break;
  }
  each([&](double v) { sum += v, magnitude += std::abs(v); });
  const double n = static_cast<double>(count);
  if (kind == Kind::Mean) return {sum / n, magnitude / n};
  if (kind == Kind::LogSum) {
    const double y = std::log(sum);
    return {y, std::isfinite(y) ? std::abs(y) + magnitude / sum : 0};
  }
  return {sum, magnitude};
}

// Sums and products of integers modulo 2^width.
template <class T, class Each>
T reduce_integers(Kind kind, Each&& each) {
  using Wide = uint64_t;
  Wide sum = kind == Kind::Prod ? 1 : 0;
  T least = std::numeric_limits<T>::max(), most = std::numeric_limits<T>::lowest();
  each([&](T v) {
    const Wide w = static_cast<Wide>(v);
    least = std::min(least, v);
    most = std::max(most, v);
    if (kind == Kind::Prod) sum *= w;
    if (kind == Kind::Sum) sum += w;
    if (kind == Kind::L1) sum += v < T(0) ? Wide{0} - w : w;
    if (kind == Kind::SumSquare) sum += w * w;
  });
  if (kind == Kind::Max) return most;
  return kind == Kind::Min ? least : static_cast<T>(sum);
}

bool through_double(Kind kind) {
  return kind == Kind::Mean || kind == Kind::L2 || kind == Kind::LogSum || kind == Kind::LogSumExp;
}

void reference_integers(const RefArgs& a, const Extent& e, Kind kind) {
  visit_number(a.in[0].dtype(), [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      const std::span<const T> x = a.in[0].span<T>();
      const std::span<T> y = a.out[0].mutable_span<T>();
      for_each(a.box, [&](const int64_t* at, int64_t i) {
        y[static_cast<size_t>(i)] = reduce_integers<T>(kind, [&](auto&& f) {
          visit_elements(e, at, [&](int64_t k) { f(x[static_cast<size_t>(k)]); });
        });
        put_exact(a, i);
      });
    }
  });
}

Status reference_reduce(const RefArgs& a) {
  const Kind kind = static_cast<Kind>(LATHE_TRY(word_of(a.op.attrs, "kind", kReduceKinds)));
  const Extent e = LATHE_TRY(extent_of(a));
  const bool integer = !is_float(a.in[0].dtype());
  if (integer && !through_double(kind)) {
    reference_integers(a, e, kind);
    return {};
  }
  const Doubles x(a.in[0], a.box.elements() * e.count);
  for_each(a.box, [&](const int64_t* at, int64_t i) {
    const Value v = reduce_floats(
        kind, e.count, [&](auto&& f) { visit_elements(e, at, [&](int64_t k) { f(x[k]); }); });
    if (!integer) {
      put(a, i, v.y, v.magnitude);
    } else {  // toward zero; of nothing, 0
      put(a, i, std::isnan(v.y) ? 0 : std::trunc(v.y), 0);
    }
  });
  return {};
}

Cost cost_reduce(const OpInstance& op) {
  return {static_cast<double>(op.in[0].shape.elements()), cost_of_elements(op, 0).bytes};
}

constexpr AttrDef kReduceAttrs[] = {
    {"kind", AttrKind::Text, "",
     "sum, mean, max, min, prod, l1, l2, logsum, logsumexp or sumsquare"},
    {"axes", AttrKind::Ints, "", "the axes reduced; none: each element by itself"},
    {"keepdims", AttrKind::Int, "1", "1: reduced axes stay with size 1; 0: they go"},
};

}  // namespace

const OpDef& op_reduce() {
  static constexpr OpDef def{
      .name = "Reduce",
      .doc =
          "sum: of x; mean: sum / count; max, min: NaN wins, bool allowed; prod; l1: sum of |x|; "
          "l2: "
          "sqrt(sum of x^2); sumsquare: sum of x^2; logsum: log(sum); logsumexp: log(sum of e^x), "
          "computed from the largest. x and y: one number type. Integers wrap; mean, l2, logsum "
          "and logsumexp of integers are computed as real numbers and cut toward zero. Over an "
          "empty axis: 0, mean NaN, prod 1, max -inf or the lowest, min +inf or the highest, "
          "logsum and logsumexp -inf. ONNX Reduce*.",
      .operands = "x",
      .attrs = kReduceAttrs,
      .tolerance = {8,
                    "any order of summation in the element type or wider; exp, log and sqrt add a "
                    "few units"},
      .infer = infer_reduce,
      .reference = reference_reduce,
      .cost = cost_reduce,
  };
  return def;
}

}  // namespace lathe
