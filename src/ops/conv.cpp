// SPDX-License-Identifier: Apache-2.0
// Conv: the convolution of neural networks (a cross-correlation), grouped, with optional bias.
#include <algorithm>

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

// Sums one window's products after another; channels that see the same part of x side by side, so
// that no addition waits for the one before.
class WindowSums {
 public:
  WindowSums(const RefArgs& a, Window window)
      : a_(a),
        in_(a.in[0].shape().sizes()),
        weight_(a.in[1].shape().sizes()),
        window_(std::move(window)),
        taps_of_kernel_(row_strides(weight_)[1]),
        x_(a.in[0], reads()),
        w_(a.in[1], reads()) {}

  void run() {
    const Box& box = a_.box;
    const Box places{{box.begin.begin() + 2, box.begin.end()},
                     {box.end.begin() + 2, box.end.end()}};
    const int64_t rows = box.end[1] - box.begin[1], size = places.elements();
    const int64_t per_group = weight_[0] / a_.op.attrs.i("group");
    for_each(places, [&](const int64_t* place, int64_t k) {
      find_taps(window_, std::span(in_).subspan(2), place, taps_);
      for (int64_t n = box.begin[0]; n < box.end[0]; ++n) {
        for (int64_t m = box.begin[1], next = m; m < box.end[1]; m = next) {
          next = std::min(box.end[1], (m / per_group + 1) * per_group);
          look(n, m / per_group);
          sum_channels(m, next, ((n - box.begin[0]) * rows + m - box.begin[1]) * size + k, size);
        }
      }
    });
  }

 private:
  int64_t reads() const { return a_.box.elements() * weight_[1] * taps_of_kernel_; }

  // Takes what the window sees of a group's channels.
  void look(int64_t n, int64_t group) {
    const int64_t plane = row_strides(in_)[1];
    seen_.clear(), kernel_at_.clear();
    for (int64_t c = 0; c < weight_[1]; ++c) {
      const int64_t x0 = (n * in_[1] + group * weight_[1] + c) * plane;
      for (const Tap& t : taps_) {
        seen_.push_back(x_[x0 + t.input]);
        kernel_at_.push_back(c * taps_of_kernel_ + t.kernel);
      }
    }
  }

  // Output channels [m, end) of one group, written from `at` on, `step` apart.
  void sum_channels(int64_t m, int64_t end, int64_t at, int64_t step) {
    for (; m + 4 <= end; m += 4, at += 4 * step) sum<4>(m, at, step);
    for (; m < end; ++m, at += step) sum<1>(m, at, step);
  }

  template <int kChannels>
  void sum(int64_t m, int64_t at, int64_t step) {
    const int64_t kernel = weight_[1] * taps_of_kernel_;
    double sum[kChannels], magnitude[kChannels];
    for (int j = 0; j < kChannels; ++j) {
      sum[j] = given(a_, 2) ? a_.in[2].get_f64(m + j) : 0;
      magnitude[j] = std::abs(sum[j]);
    }
    for (size_t k = 0; k < seen_.size(); ++k) {
      for (int j = 0; j < kChannels; ++j) {
        const double term = seen_[k] * w_[(m + j) * kernel + kernel_at_[k]];
        sum[j] += term;
        magnitude[j] += std::abs(term);
      }
    }
    for (int j = 0; j < kChannels; ++j) put(a_, at + j * step, sum[j], magnitude[j]);
  }

  const RefArgs& a_;
  const std::vector<int64_t> in_, weight_;
  const Window window_;
  const int64_t taps_of_kernel_;
  const Doubles x_, w_;
  std::vector<Tap> taps_;
  std::vector<double> seen_;
  std::vector<int64_t> kernel_at_;
};

Status reference_conv(const RefArgs& a) {
  const std::vector<int64_t> weight = a.in[1].shape().sizes();
  if (a.box.elements() == 0) return {};
  WindowSums(a, LATHE_TRY(window_of(a.op.attrs, Ints(weight.begin() + 2, weight.end())))).run();
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
