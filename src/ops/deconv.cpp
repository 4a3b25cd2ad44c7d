// SPDX-License-Identifier: Apache-2.0
// Deconv: the transposed convolution, grouped, with optional bias.
#include "ops/axes.h"
#include "ops/reference_util.h"
#include "ops/window.h"

namespace lathe {
namespace {

Status check_output_padding(const Ints& padding, const Window& w) {
  if (padding.size() != w.kernel.size()) {
    return invalid("output_padding has {} values, expected {}", padding.size(), w.kernel.size());
  }
  for (int64_t p : padding) {
    if (p < 0 || p > kMaxWindow) {
      return invalid("output_padding holds {}, expected 0 to {}", p, kMaxWindow);
    }
  }
  return {};
}

Status infer_deconv(InferContext& c) {
  const Shape &x = c.shape(0), &w = c.shape(1);
  LATHE_TRY(require_float(c, 0, "x"));
  LATHE_TRY(require_same_dtype(c, 1, "w"));
  if (x.rank() < 3 || w.rank() != x.rank()) {
    return invalid("x of shape {} and w of shape {}: expected one rank, at least 3", x.to_string(),
                   w.to_string());
  }
  const int64_t group = c.attrs.i("group");
  LATHE_TRY(check_group(group, w[0], "input channels"));
  LATHE_TRY(c.require_equal(x[1], w[0], "channels of x and w"));
  const Dim channels = w[1] * group;
  if (c.has(2)) {
    LATHE_TRY(require_same_dtype(c, 2, "b"));
    if (c.shape(2).rank() != 1) return invalid("b has rank {}, expected 1", c.shape(2).rank());
    LATHE_TRY(c.require_equal(c.shape(2)[0], channels, "elements of b and output channels"));
  }
  const Window window = LATHE_TRY(window_of(c.attrs, LATHE_TRY(known_kernel(w))));
  const Ints& padding = c.attrs.ints("output_padding");
  LATHE_TRY(check_output_padding(padding, window));
  Shape y{x[0], channels};
  for (int d = 0; d < window.rank(); ++d) {
    const int64_t extra = padding[static_cast<size_t>(d)];
    y.push_back(LATHE_TRY(window_output_transposed(c, x[d + 2], window, d, extra)));
  }
  c.add(c.dtype(0), std::move(y));
  return {};
}

Status reference_deconv(const RefArgs& a) {
  const std::vector<int64_t> in = a.in[0].shape().sizes(), weight = a.in[1].shape().sizes();
  const std::span<const int64_t> spatial = std::span(in).subspan(2);
  const Window window = LATHE_TRY(window_of(a.op.attrs, Ints(weight.begin() + 2, weight.end())));
  const int64_t plane = row_strides(in)[1], taps_of_kernel = row_strides(weight)[1];
  const int64_t per_group = weight[1], channels = weight[0] / a.op.attrs.i("group");
  const int64_t reads = a.box.elements() * channels * taps_of_kernel;
  const Doubles x(a.in[0], reads), w(a.in[1], reads);

  std::vector<Tap> taps;
  for_each(a.box, [&](const int64_t* at, int64_t i) {
    find_taps_transposed(window, spatial, at + 2, taps);
    const int64_t n = at[0], m = at[1];
    double sum = given(a, 2) ? a.in[2].get_f64(m) : 0;
    double magnitude = std::abs(sum);
    for (int64_t j = 0; j < channels; ++j) {
      const int64_t c = m / per_group * channels + j;
      const int64_t x0 = (n * in[1] + c) * plane;
      const int64_t w0 = (c * per_group + m % per_group) * taps_of_kernel;
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

// Every input element meets every kernel element of its group once.
Cost cost_deconv(const OpInstance& op) {
  const std::vector<int64_t> w = op.in[1].shape.sizes();
  double flops = 2 * static_cast<double>(op.in[0].shape.elements());
  for (size_t d = 1; d < w.size(); ++d) flops *= static_cast<double>(w[d]);
  return {flops, cost_of_elements(op, 0).bytes};
}

constexpr AttrDef kDeconvAttrs[] = {
    {"strides", AttrKind::Ints, "", "output elements between neighbours of x"},
    {"dilations", AttrKind::Ints, "", "distance between kernel elements"},
    {"pads", AttrKind::Ints, "", "cut off the result: all begins, then all ends"},
    {"output_padding", AttrKind::Ints, "", "elements added at the end of each spatial dimension"},
    {"group", AttrKind::Int, "1", "groups that input and output channels are split into"},
};

}  // namespace

const OpDef& op_deconv() {
  static constexpr OpDef def{
      .name = "Deconv",
      .doc =
          "y[n,m,o] = b[m] + sum over c of m's group, i and k with i*stride + k*dilation - pad = o "
          "of x[n,c,i] * w[c,m',k], m' counting within the group. x[N,C,s...], w[C,M/group,k...], "
          "b[M], y[N,M,o...] with o = (s-1)*stride + dilation*(k-1) + 1 + output_padding - pads "
          "(0 where s is 0); one float type. ONNX ConvTranspose.",
      .operands = "x w [b]",
      .attrs = kDeconvAttrs,
      .tolerance = {8, "any order of summation in the element type or wider, as for Conv"},
      .infer = infer_deconv,
      .reference = reference_deconv,
      .cost = cost_deconv,
  };
  return def;
}

}  // namespace lathe
