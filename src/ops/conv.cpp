// SPDX-License-Identifier: Apache-2.0
// Conv: the convolution of neural networks (a cross-correlation), grouped, with optional bias.
#include "ops/axes.h"
#include "ops/reference_util.h"
#include "ops/window.h"

namespace lathe {
namespace {

Status infer_conv(InferContext& c) {
  const Shape &x = c.shape(0), &w = c.shape(1);
  LATHE_TRY(require_float(c, 0, "x"));
  LATHE_TRY(require_same_dtype(c, 1, "w"));
  if (x.rank() < 3 || w.rank() != x.rank()) {
    return invalid("x of shape {} and w of shape {}: expected one rank, at least 3", x.to_string(),
                   w.to_string());
  }
  const int64_t group = c.attrs.i("group");
  LATHE_TRY(check_group(group, w[0], "output channels"));
  LATHE_TRY(c.require_equal(x[1], w[1] * group, "channels of x and w times group"));
  if (c.has(2)) {
    LATHE_TRY(require_same_dtype(c, 2, "b"));
    if (c.shape(2).rank() != 1) return invalid("b has rank {}, expected 1", c.shape(2).rank());
    LATHE_TRY(c.require_equal(c.shape(2)[0], w[0], "elements of b and output channels"));
  }
  const Window window = LATHE_TRY(window_of(c.attrs, LATHE_TRY(known_kernel(w))));
  Shape y{x[0], w[0]};
  for (int d = 0; d < window.rank(); ++d) {
    y.push_back(LATHE_TRY(window_output(c, x[d + 2], window, d, Rounding::Floor)));
  }
  c.add(c.dtype(0), std::move(y));
  return {};
}

Status reference_conv(const RefArgs& a) {
  const std::vector<int64_t> in = a.in[0].shape().sizes(), weight = a.in[1].shape().sizes();
  const std::span<const int64_t> spatial = std::span(in).subspan(2);
  const Window window = LATHE_TRY(window_of(a.op.attrs, Ints(weight.begin() + 2, weight.end())));
  const int64_t plane = row_strides(in)[1], taps_of_kernel = row_strides(weight)[1];
  const int64_t channels = weight[1], per_group = weight[0] / a.op.attrs.i("group");
  const int64_t reads = a.box.elements() * channels * taps_of_kernel;
  const Doubles x(a.in[0], reads), w(a.in[1], reads);

  std::vector<Tap> taps;
  for_each(a.box, [&](const int64_t* at, int64_t i) {
    find_taps(window, spatial, at + 2, taps);
    const int64_t n = at[0], m = at[1];
    double sum = given(a, 2) ? a.in[2].get_f64(m) : 0;
    double magnitude = std::abs(sum);
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t x0 = (n * in[1] + m / per_group * channels + c) * plane;
      const int64_t w0 = (m * channels + c) * taps_of_kernel;
      for (const Tap& t : taps) {
        const double term = x[x0 + t.input] * w[w0 + t.kernel];
        sum += term;
        magnitude += std::abs(term);
      }
    }
    put(a, i, sum, magnitude);
  });
  return {};
}

Cost cost_conv(const OpInstance& op) {
  const std::vector<int64_t> w = op.in[1].shape.sizes();
  double per_element = 2;
  for (size_t d = 1; d < w.size(); ++d) per_element *= static_cast<double>(w[d]);
  return cost_of_elements(op, per_element);
}

constexpr AttrDef kConvAttrs[] = {
    {"strides", AttrKind::Ints, "", "step of the window, for each spatial dimension"},
    {"dilations", AttrKind::Ints, "", "distance between kernel elements"},
    {"pads", AttrKind::Ints, "", "zeros around x: all begins, then all ends"},
    {"group", AttrKind::Int, "1", "groups that input and output channels are split into"},
};

}  // namespace

const OpDef& op_conv() {
  static constexpr OpDef def{
      .name = "Conv",
      .doc =
          "y[n,m,o] = b[m] + sum over c, k of x[n, g*C/group + c, o*stride + k*dilation - pad] * "
          "w[m,c,k], where g = m / (M/group) and x is 0 outside. x[N,C,s...], w[M,C/group,k...], "
          "b[M], y[N,M,o...] with o = floor((s + pads - (dilation*(k-1) + 1)) / stride) + 1; "
          "one float type. ONNX Conv.",
      .operands = "x w [b]",
      .attrs = kConvAttrs,
      .tolerance = {8,
                    "any order of summation in the element type or wider; one after another, 576 "
                    "terms were seen to be off by 4.5 eps * sum of |terms|"},
      .infer = infer_conv,
      .reference = reference_conv,
      .cost = cost_conv,
  };
  return def;
}

}  // namespace lathe
