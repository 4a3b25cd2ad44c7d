// SPDX-License-Identifier: Apache-2.0
// ExpandDepthwise: a 1x1 convolution, an expression and a depthwise convolution behind each other,
// the beginning of an inverted residual. Fusion makes it, where tactics keep what lies between in
// cache; no model has it.
#include "ops/axes.h"
#include "ops/expr_eval.h"
#include "ops/reference_util.h"
#include "ops/window.h"

namespace lathe {
namespace {

enum Operand { kX, kExpand, kDepthwise, kExpandBias, kDepthwiseBias };

Status check_bias(InferContext& c, int k, const Dim& channels) {
  if (!c.has(k)) return {};
  LATHE_TRY(require_same_dtype(c, k, k == kExpandBias ? "b1" : "b2"));
  if (c.shape(k).rank() != 1) return invalid("a bias has rank {}, expected 1", c.shape(k).rank());
  return c.require_equal(c.shape(k)[0], channels, "elements of a bias and channels");
}

Status check_expr(InferContext& c) {
  const Expr& expr = c.attrs.expr("expr");
  const bool unary = expr.inputs().size() == 1 && expr.outputs().size() == 1;
  if (!unary || expr.inputs()[0] != c.dtype(kX) || expr.output_type(0) != c.dtype(kX)) {
    return invalid("expr is {}, expected one input and one result of type {}", expr.to_string(),
                   to_string(c.dtype(kX)));
  }
  return {};
}

Status infer_expand_depthwise(InferContext& c) {
  const Shape &x = c.shape(kX), &w1 = c.shape(kExpand), &w2 = c.shape(kDepthwise);
  LATHE_TRY(require_float(c, kX, "x"));
  LATHE_TRY(require_same_dtype(c, kExpand, "w1"));
  LATHE_TRY(require_same_dtype(c, kDepthwise, "w2"));
  if (x.rank() < 3 || w1.rank() != x.rank() || w2.rank() != x.rank()) {
    return invalid("x of shape {}, w1 {} and w2 {}: expected one rank, at least 3", x.to_string(),
                   w1.to_string(), w2.to_string());
  }
  LATHE_TRY(c.require_equal(x[1], w1[1], "channels of x and w1"));
  LATHE_TRY(c.require_equal(w1[0], w2[0], "channels of w1 and w2"));
  LATHE_TRY(c.require_equal(w2[1], 1, "channels of a group of w2 and one"));
  for (int d = 2; d < w1.rank(); ++d) LATHE_TRY(c.require_equal(w1[d], 1, "a kernel of w1 and 1"));
  LATHE_TRY(check_bias(c, kExpandBias, w1[0]));
  LATHE_TRY(check_bias(c, kDepthwiseBias, w2[0]));
  LATHE_TRY(check_expr(c));
  const Window window = LATHE_TRY(window_of(c.attrs, LATHE_TRY(known_kernel(w2))));
  Shape y{x[0], w2[0]};
  for (int d = 0; d < window.rank(); ++d) {
    y.push_back(LATHE_TRY(window_output(c, x[d + 2], window, d, Rounding::Floor)));
  }
  c.add(c.dtype(kX), std::move(y));
  return {};
}

// Elements of the expanded tensor, each with the error that rounding may cause, in units of the
// type's roundoff.
class Expanded {
 public:
  Expanded(const RefArgs& a, const Doubles& x, const Doubles& w)
      : a_(a),
        x_(x),
        w_(w),
        expr_(a.op.attrs.expr("expr")),
        shape_(a.in[kX].shape().sizes()),
        plane_(row_strides(shape_)[1]),
        unit_(unit_roundoff(a.in[kX].dtype())),
        channels_(a.in[kExpand].shape().sizes()[0]),
        kept_(static_cast<size_t>(plane_)),
        of_channel_(static_cast<size_t>(plane_), -1) {}

  struct Value {
    double value, magnitude;
  };
  // Windows overlap: what was computed for the last channel asked for is kept.
  Value at(int64_t n, int64_t m, int64_t place) {
    const int64_t channel = n * channels_ + m;
    const auto k = static_cast<size_t>(place);
    if (of_channel_[k] != channel) {
      of_channel_[k] = channel;
      kept_[k] = compute(n, m, place);
    }
    return kept_[k];
  }

 private:
  Value compute(int64_t n, int64_t m, int64_t place) {
    double sum = given(a_, kExpandBias) ? a_.in[kExpandBias].get_f64(m) : 0;
    double magnitude = std::abs(sum);
    for (int64_t c = 0; c < shape_[1]; ++c) {
      const double term = x_[(n * shape_[1] + c) * plane_ + place] * w_[m * shape_[1] + c];
      sum += term;
      magnitude += std::abs(term);
    }
    ScalarBits in{.f = sum}, out{};
    const double off = magnitude * unit_;
    double error = 0;
    expr_.run_with_errors(&in, &off, &out, &error);
    return {out.f, std::abs(out.f) + error / unit_};
  }

  const RefArgs& a_;
  const Doubles &x_, &w_;
  ExprEvaluator expr_;
  std::vector<int64_t> shape_;
  int64_t plane_;
  double unit_;
  int64_t channels_;
  std::vector<Value> kept_;  // by place
  std::vector<int64_t> of_channel_;
};

Status reference_expand_depthwise(const RefArgs& a) {
  const std::vector<int64_t> in = a.in[kX].shape().sizes();
  const std::vector<int64_t> weight = a.in[kDepthwise].shape().sizes();
  const std::span<const int64_t> spatial = std::span(in).subspan(2);
  const Window window = LATHE_TRY(window_of(a.op.attrs, Ints(weight.begin() + 2, weight.end())));
  const int64_t taps_of_kernel = row_strides(weight)[0];
  const int64_t reads = a.box.elements() * taps_of_kernel;
  const Doubles x(a.in[kX], reads * in[1]), w1(a.in[kExpand], reads * in[1]);
  const Doubles w2(a.in[kDepthwise], reads);
  Expanded expanded(a, x, w1);

  std::vector<Tap> taps;
  for_each(a.box, [&](const int64_t* at, int64_t i) {
    find_taps(window, spatial, at + 2, taps);
    const int64_t n = at[0], m = at[1];
    double sum = given(a, kDepthwiseBias) ? a.in[kDepthwiseBias].get_f64(m) : 0;
    double magnitude = std::abs(sum);
    for (const Tap& t : taps) {
      const Expanded::Value e = expanded.at(n, m, t.input);
      const double w = w2[m * taps_of_kernel + t.kernel];
      sum += e.value * w;
      magnitude += e.magnitude * std::abs(w);
    }
    put(a, i, sum, magnitude);
  });
  return {};
}

Cost cost_expand_depthwise(const OpInstance& op) {
  const std::vector<int64_t> w1 = op.in[kExpand].shape.sizes();
  const std::vector<int64_t> w2 = op.in[kDepthwise].shape.sizes();
  double per_element = 2;
  for (size_t d = 2; d < w2.size(); ++d) per_element *= static_cast<double>(w2[d]);
  Cost cost = cost_of_elements(op, per_element);
  double pixels = static_cast<double>(op.in[kX].shape.elements());  // times C, then M
  cost.flops += 2 * pixels * static_cast<double>(w1[0]);
  return cost;
}

constexpr AttrDef kAttrs[] = {
    {"expr", AttrKind::Expr, "", "what stands between the convolutions: \"(a:f32) -> max(a, 0)\""},
    {"strides", AttrKind::Ints, "", "step of the depthwise window, for each spatial dimension"},
    {"dilations", AttrKind::Ints, "", "distance between elements of the depthwise kernel"},
    {"pads", AttrKind::Ints, "", "zeros around the expanded tensor: all begins, then all ends"},
};

}  // namespace

const OpDef& op_expand_depthwise() {
  static constexpr OpDef def{
      .name = "ExpandDepthwise",
      .doc =
          "y = Conv(expr(Conv(x, w1, b1)), w2, b2): a 1x1 convolution of stride 1, an expression "
          "of one element, a convolution with as many groups as channels. x[N,C,s...], "
          "w1[M,C,1...], w2[M,1,k...], b1[M], b2[M], y[N,M,o...]; one float type. Made by fusion: "
          "the expansion of an inverted residual (Sandler et al. 2018) never leaves the cache.",
      .operands = "x w1 w2 [b1] [b2]",
      .attrs = kAttrs,
      .tolerance = {8,
                    "as Conv, twice: the magnitude carries the first one's error through the "
                    "expression"},
      .infer = infer_expand_depthwise,
      .reference = reference_expand_depthwise,
      .cost = cost_expand_depthwise,
  };
  return def;
}

}  // namespace lathe
