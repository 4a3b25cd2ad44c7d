// SPDX-License-Identifier: Apache-2.0
// Pool: maxima, means and p-norms of windows.
#include <algorithm>
#include <array>
#include <limits>

#include "ops/axes.h"
#include "ops/reference_util.h"
#include "ops/window.h"

namespace lathe {
namespace {

constexpr std::array<std::string_view, 3> kPoolKinds = {"max", "average", "lp"};
constexpr int64_t kMaxPower = 1024;

Status infer_pool(InferContext& c) {
  const bool max = LATHE_TRY(word_of(c.attrs, "kind", kPoolKinds)) == 0;
  const DType t = c.dtype(0);
  if (!max) {
    LATHE_TRY(require_float(c, 0, "x"));
  } else if (!is_computable(t) || t == DType::Bool) {
    return invalid("x has type {}, expected a number", to_string(t));
  }
  const Shape& x = c.shape(0);
  LATHE_TRY(require_flag(c.attrs, "ceil"));
  LATHE_TRY(require_flag(c.attrs, "count_include_pad"));
  const int64_t p = c.attrs.i("p");
  if (p < 1 || p > kMaxPower) return invalid("p is {}, expected 1 to {}", p, kMaxPower);
  const Ints& kernel = c.attrs.ints("kernel");
  if (x.rank() < 3 || kernel.size() != static_cast<size_t>(x.rank()) - 2) {
    return invalid(
        "x has shape {} and kernel {} values: expected a rank of at least 3, and one "
        "value for each dimension after the second",
        x.to_string(), kernel.size());
  }
  const Window window = LATHE_TRY(window_of(c.attrs, kernel));
  const Rounding rounding = c.attrs.i("ceil") != 0 ? Rounding::Ceil : Rounding::Floor;
  Shape y{x[0], x[1]};
  for (int d = 0; d < window.rank(); ++d) {
    y.push_back(LATHE_TRY(window_output(c, x[d + 2], window, d, rounding)));
  }
  c.add(t, std::move(y));
  return {};
}

// Calls f(element of the box, offset of its channel's plane, taps of its window).
template <class F>
void for_each_window(const RefArgs& a, const Window& window, F&& f) {
  const std::vector<int64_t> in = a.in[0].shape().sizes();
  const int64_t plane = row_strides(in)[1];
  std::vector<Tap> taps;
  for_each(a.box, [&](const int64_t* at, int64_t i) {
    find_taps(window, std::span(in).subspan(2), at + 2, taps);
    f(at, i, (at[0] * in[1] + at[1]) * plane, taps);
  });
}

// NaN wins; a window without elements gives -inf or the lowest integer.
void max_pool(const RefArgs& a, const Window& window) {
  visit_number(a.in[0].dtype(), [&]<class T>() {
    const std::span<const T> x = a.in[0].span<T>();
    const std::span<T> y = a.out[0].mutable_span<T>();
    for_each_window(
        a, window, [&](const int64_t*, int64_t i, int64_t plane, const std::vector<Tap>& taps) {
          T most = T(0);
          if constexpr (std::is_integral_v<T>) {
            most = std::numeric_limits<T>::lowest();
            for (const Tap& t : taps)
              most = std::max(most, x[static_cast<size_t>(plane + t.input)]);
          } else {
            double m = -std::numeric_limits<double>::infinity();
            for (const Tap& t : taps) {
              const double v = static_cast<double>(x[static_cast<size_t>(plane + t.input)]);
              if (std::isnan(v) || v > m) m = v;
            }
            most = T(m);
          }
          y[static_cast<size_t>(i)] = most;
          put_exact(a, i);
        });
  });
}

// Positions of the window at `at` that lie in the input or its padding: what rounding up adds
// beyond the padding does not count.
double padded_positions(const Window& w, std::span<const int64_t> in, const int64_t* at) {
  double count = 1;
  for (size_t d = 0; d < in.size(); ++d) {
    const int64_t start = at[d] * w.strides[d], end = in[d] + w.begin[d] + w.end[d];
    const int64_t fit = (end - start - 1) / w.dilations[d] + 1;
    count *= static_cast<double>(std::clamp<int64_t>(fit, 0, w.kernel[d]));
  }
  return count;
}

void average_pool(const RefArgs& a, const Window& window) {
  const std::vector<int64_t> in = a.in[0].shape().sizes();
  const bool include_pad = a.op.attrs.i("count_include_pad") != 0;
  for_each_window(
      a, window, [&](const int64_t* at, int64_t i, int64_t plane, const std::vector<Tap>& taps) {
        double sum = 0, magnitude = 0;
        for (const Tap& t : taps) {
          const double v = a.in[0].get_f64(plane + t.input);
          sum += v;
          magnitude += std::abs(v);
        }
        const double count = include_pad
                                 ? padded_positions(window, std::span(in).subspan(2), at + 2)
                                 : static_cast<double>(taps.size());
        if (count == 0) return put(a, i, 0, 0);
        put(a, i, sum / count, magnitude / count);
      });
}

void lp_pool(const RefArgs& a, const Window& window) {
  const double p = static_cast<double>(a.op.attrs.i("p"));
  for_each_window(a, window,
                  [&](const int64_t*, int64_t i, int64_t plane, const std::vector<Tap>& taps) {
                    double sum = 0;
                    for (const Tap& t : taps)
                      sum += std::pow(std::abs(a.in[0].get_f64(plane + t.input)), p);
                    const double y = std::pow(sum, 1 / p);
                    put(a, i, y, 2 * y);
                  });
}

Status reference_pool(const RefArgs& a) {
  const Window window = LATHE_TRY(window_of(a.op.attrs, a.op.attrs.ints("kernel")));
  const std::string& kind = a.op.attrs.text("kind");
  if (kind == "max") max_pool(a, window);
  if (kind == "average") average_pool(a, window);
  if (kind == "lp") lp_pool(a, window);
  return {};
}

Cost cost_pool(const OpInstance& op) {
  double positions = 1;
  for (int64_t k : op.attrs.ints("kernel")) positions *= static_cast<double>(k);
  return cost_of_elements(op, positions);
}

constexpr AttrDef kPoolAttrs[] = {
    {"kind", AttrKind::Text, "", "max, average or lp"},
    {"kernel", AttrKind::Ints, "", "size of the window, for each spatial dimension"},
    {"strides", AttrKind::Ints, "", "step of the window"},
    {"dilations", AttrKind::Ints, "", "distance between the window's elements"},
    {"pads", AttrKind::Ints, "", "positions around x: all begins, then all ends"},
    {"ceil", AttrKind::Int, "0",
     "1: round the output size up; windows start inside x or begin pads"},
    {"count_include_pad", AttrKind::Int, "0", "1: average divides by positions of padding too"},
    {"p", AttrKind::Int, "2", "the norm that lp computes"},
};

}  // namespace

const OpDef& op_pool() {
  static constexpr OpDef def{
      .name = "Pool",
      .doc =
          "Of each window of x[N,C,s...]: max (NaN wins), average (sum / count), or lp: (sum of "
          "|x|^p)^(1/p). Padding never enters a max, and is 0 elsewhere; a window of padding alone "
          "gives -inf or the lowest integer (max), else 0. y[N,C,o...] has x's type: any number "
          "for max, else float; o = round((s + pads - (dilation*(k-1) + 1)) / stride) + 1. ONNX "
          "MaxPool, AveragePool, LpPool.",
      .operands = "x",
      .attrs = kPoolAttrs,
      .tolerance = {8, "max is exact; sums in any order in float or wider; pow costs a few units"},
      .infer = infer_pool,
      .reference = reference_pool,
      .cost = cost_pool,
  };
  return def;
}

}  // namespace lathe
