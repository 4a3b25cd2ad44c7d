// SPDX-License-Identifier: Apache-2.0
// Resize: sampling on a regular grid, nearest, linear or cubic, separable over all axes.
#include "ops/resize.h"

#include <algorithm>
#include <array>

#include "ops/axes.h"
#include "ops/reference_util.h"

namespace lathe {
namespace {

constexpr std::array<std::string_view, 3> kResizeModes = {"nearest", "linear", "cubic"};
constexpr std::array<std::string_view, 6> kCoordinates = {
    "half_pixel",    "half_pixel_symmetric", "pytorch_half_pixel",
    "align_corners", "asymmetric",           "tf_crop_and_resize"};
constexpr std::array<std::string_view, 4> kNearestModes = {"round_prefer_floor",
                                                           "round_prefer_ceil", "floor", "ceil"};
constexpr double kLeastScale = 1.0 / (1 << 30), kMost = 1 << 30;

Status check_floats(const InferContext& c, std::string_view name, size_t count, double least) {
  const Floats& values = c.attrs.floats(name);
  if (!values.empty() && values.size() != count) {
    return invalid("{} has {} values, expected none or {}", name, values.size(), count);
  }
  for (double v : values) {
    if (!(v >= least && v <= kMost)) {
      return invalid("{} holds {}, expected {} to {}", name, v, least, kMost);
    }
  }
  return {};
}

// With antialiasing an output reads 4 / scale inputs, so a scale that has nothing to do with the
// sizes could read forever.
Status check_antialias(const Shape& x, const Floats& scales, const Dims& sizes) {
  for (size_t d = 0; d < scales.size(); ++d) {
    const Dim& in = x[static_cast<int>(d)];
    if (!in.is_constant() || !sizes[d].is_constant() || sizes[d].is(0)) continue;
    const double scaled = static_cast<double>(in.value()) * scales[d];
    if (scaled < 0.5 || static_cast<double>(sizes[d].value()) > 4 * scaled + 4) {
      return invalid("scale {} of axis {} does not lead from size {} to {}", scales[d], d,
                     in.value(), sizes[d].value());
    }
  }
  return {};
}

Status check_sizes(InferContext& c, const Shape& x, const Dims& sizes) {
  if (sizes.size() != static_cast<size_t>(x.rank())) {
    return invalid("sizes has {} values, expected {}", sizes.size(), x.rank());
  }
  for (int d = 0; d < x.rank(); ++d) {
    const Dim& size = sizes[static_cast<size_t>(d)];
    const std::string what =
        fmt::format("size {} of axis {} from {}", size.to_string(), d, x[d].to_string());
    if (size.is_constant() && size.value() < 0) return invalid("{}: negative", what);
    if (size.is(0) || size == x[d]) continue;
    if (x[d].is(0)) return invalid("{}: an empty axis cannot grow", what);
    if (!size.provably_nonnegative()) {
      c.constraints.push_back({Constraint::Kind::Nonnegative, size, Dim(), what});
    }
    if (!x[d].provably_positive()) {
      c.constraints.push_back({Constraint::Kind::Positive, x[d], Dim(), what});
    }
  }
  return {};
}

Status infer_resize(InferContext& c) {
  const Attrs& attrs = c.attrs;
  const int mode = LATHE_TRY(word_of(attrs, "mode", kResizeModes));
  const int coordinates = LATHE_TRY(word_of(attrs, "coordinates", kCoordinates));
  LATHE_TRY(word_of(attrs, "nearest_mode", kNearestModes));
  LATHE_TRY(require_flag(attrs, "exclude_outside"));
  LATHE_TRY(require_flag(attrs, "antialias"));
  if (!is_computable(c.dtype(0))) {
    return invalid("x has type {}, expected a number or bool", to_string(c.dtype(0)));
  }
  if (mode != 0 && c.dtype(0) == DType::Bool)
    return invalid("x is bool: only nearest samples that");
  const Shape& x = c.shape(0);
  const auto rank = static_cast<size_t>(x.rank());
  LATHE_TRY(check_floats(c, "scales", rank, kLeastScale));
  LATHE_TRY(check_floats(c, "roi", 2 * rank, -kMost));
  if (kCoordinates[static_cast<size_t>(coordinates)] == "tf_crop_and_resize" &&
      attrs.floats("roi").empty() && rank > 0) {
    return invalid("roi is empty, expected {} values for tf_crop_and_resize", 2 * rank);
  }
  const Dims& sizes = attrs.dims("sizes");
  LATHE_TRY(check_sizes(c, x, sizes));
  if (attrs.i("antialias") != 0) LATHE_TRY(check_antialias(x, attrs.floats("scales"), sizes));
  c.add(c.dtype(0), Shape(sizes));
  return {};
}

// The grid along one axis.
struct Grid {
  std::string_view coordinates;
  double in, out;     // sizes
  double scale;       // output per input
  double scaled;      // in * scale: what ONNX calls the resized length
  double start, end;  // region of interest
};

Grid grid_of(const OpInstance& op, int axis) {
  const auto d = static_cast<size_t>(axis);
  const size_t rank = static_cast<size_t>(op.in[0].rank());
  const Floats &scales = op.attrs.floats("scales"), &roi = op.attrs.floats("roi");
  Grid g{op.attrs.text("coordinates"),
         static_cast<double>(op.in[0].shape[axis].value()),
         static_cast<double>(op.attrs.dims("sizes")[d].value()),
         0,
         0,
         0,
         1};
  g.scale = scales.empty() ? g.out / g.in : scales[d];
  g.scaled = scales.empty() ? g.out : scales[d] * g.in;
  if (!roi.empty()) g.start = roi[d], g.end = roi[rank + d];
  return g;
}

// Where output o lies in the input.
double source(const Grid& g, double o) {
  // o / scale, exact where the ratio of sizes is the scale.
  const auto unscaled = [&](double v) {
    return g.scaled == g.out ? v * g.in / g.out : v / g.scale;
  };
  if (g.coordinates == "asymmetric") return unscaled(o);
  if (g.coordinates == "half_pixel") return unscaled(o + 0.5) - 0.5;
  if (g.coordinates == "pytorch_half_pixel") return g.scaled > 1 ? unscaled(o + 0.5) - 0.5 : 0;
  if (g.coordinates == "half_pixel_symmetric") {
    return g.in / 2 * (1 - g.out / g.scaled) + unscaled(o + 0.5) - 0.5;
  }
  if (g.coordinates == "align_corners") {
    return g.scaled == 1 ? 0 : o * (g.in - 1) / (g.scaled - 1);
  }
  if (g.scaled == 1) return 0.5 * (g.start + g.end) * (g.in - 1);
  return g.start * (g.in - 1) + o * (g.end - g.start) * (g.in - 1) / (g.scaled - 1);
}

double nearest(std::string_view mode, double x) {
  if (mode == "floor") return std::floor(x);
  if (mode == "ceil") return std::ceil(x);
  return mode == "round_prefer_floor" ? std::ceil(x - 0.5) : std::floor(x + 0.5);
}

double triangle(double x) { return std::max(0.0, 1 - std::abs(x)); }
double cubic(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

}  // namespace

ResizeAxis resize_axis(const OpInstance& op, int axis, int64_t begin, int64_t end) {
  const Attrs& attrs = op.attrs;
  const Grid g = grid_of(op, axis);
  const bool is_nearest = attrs.text("mode") == "nearest", is_cubic = attrs.text("mode") == "cubic";
  const bool exclude = attrs.i("exclude_outside") != 0;
  const bool antialias = attrs.i("antialias") != 0 && !is_nearest;
  const double a = attrs.f("cubic_a"), last = g.in - 1;
  const double shrink = antialias ? std::min(g.scale, 1.0) : 1.0;
  const double reach = is_cubic ? 2 : 1;  // of the kernel, to each side
  const double first = is_nearest ? 0 : std::floor(-reach / shrink) + 1;  // tap 0, from floor(x)

  ResizeAxis table;
  table.taps = is_nearest ? 1 : static_cast<int>(2 - 2 * first);
  table.identity = g.coordinates != "tf_crop_and_resize" && g.in == g.out && g.scaled == g.out;
  for (int64_t o = begin; o < end; ++o) {
    const double x = source(g, static_cast<double>(o));
    table.outside.push_back(g.coordinates == "tf_crop_and_resize" && (x < 0 || x > last));
    const double base = is_nearest ? nearest(attrs.text("nearest_mode"), x) : std::floor(x);
    double sum = 0;
    for (int t = 0; t < table.taps; ++t) {
      const double i = base + first + t, distance = (i - x) * shrink;
      double w = is_nearest ? 1 : is_cubic ? cubic(distance, a) : triangle(distance);
      if (exclude && !is_nearest && (i < 0 || i > last)) w = 0;
      sum += w;
      table.index.push_back(static_cast<int64_t>(std::clamp(i, 0.0, last)));
      table.weight.push_back(w);
    }
    if (!antialias && !exclude) continue;
    for (size_t k = table.weight.size() - static_cast<size_t>(table.taps); k < table.weight.size();
         ++k) {
      table.weight[k] /= sum;
    }
  }
  return table;
}

namespace {

// A table for each axis that is sampled, with the strides of input and table.
struct Sampler {
  std::vector<ResizeAxis> axes;
  std::vector<int64_t> strides;
  Box taps;  // which combinations of taps make one element

  Sampler(const RefArgs& a) : strides(row_strides(a.in[0].shape().sizes())) {
    for (size_t d = 0; d < strides.size(); ++d) {
      axes.push_back(resize_axis(a.op, static_cast<int>(d), a.box.begin[d], a.box.end[d]));
      taps.begin.push_back(0);
      taps.end.push_back(axes[d].identity ? 1 : axes[d].taps);
    }
  }
  // Index and weight of tap t along axis d for the output at coordinate `at`, counted from the box.
  std::pair<int64_t, double> tap(size_t d, int64_t at, int64_t from, int64_t t) const {
    if (axes[d].identity) return {at, 1.0};
    const auto k = static_cast<size_t>((at - from) * axes[d].taps + t);
    return {axes[d].index[k], axes[d].weight[k]};
  }
};

bool extrapolated(const Sampler& s, const RefArgs& a, const int64_t* at) {
  for (size_t d = 0; d < s.axes.size(); ++d) {
    if (s.axes[d].outside[static_cast<size_t>(at[d] - a.box.begin[d])]) return true;
  }
  return false;
}

// Copies elements: exact for every type.
void resize_nearest(const RefArgs& a, const Sampler& s) {
  visit_number(a.in[0].dtype(), [&]<class T>() {
    const std::span<const T> x = a.in[0].span<T>();
    const std::span<T> y = a.out[0].mutable_span<T>();
    for_each(a.box, [&](const int64_t* at, int64_t i) {
      if (extrapolated(s, a, at)) return put(a, i, a.op.attrs.f("extrapolation"), 0);
      int64_t from = 0;
      for (size_t d = 0; d < s.axes.size(); ++d) {
        from += s.tap(d, at[d], a.box.begin[d], 0).first * s.strides[d];
      }
      y[static_cast<size_t>(i)] = x[static_cast<size_t>(from)];
      put_exact(a, i);
    });
  });
}

Status reference_resize(const RefArgs& a) {
  if (a.box.elements() == 0) return {};
  const Sampler s(a);
  if (a.op.attrs.text("mode") == "nearest") {
    resize_nearest(a, s);
    return {};
  }
  const Doubles x(a.in[0], a.box.elements() * s.taps.elements());
  for_each(a.box, [&](const int64_t* at, int64_t i) {
    if (extrapolated(s, a, at)) return put(a, i, a.op.attrs.f("extrapolation"), 0);
    double sum = 0, magnitude = 0;
    for_each(s.taps, [&](const int64_t* t, int64_t) {
      int64_t from = 0;
      double weight = 1;
      for (size_t d = 0; d < s.axes.size(); ++d) {
        const auto [index, w] = s.tap(d, at[d], a.box.begin[d], t[d]);
        from += index * s.strides[d];
        weight *= w;
      }
      if (weight == 0) return;
      sum += weight * x[from];
      magnitude += std::abs(weight * x[from]);
    });
    put(a, i, sum, magnitude);
  });
  return {};
}

Cost cost_resize(const OpInstance& op) {
  const std::string& mode = op.attrs.text("mode");
  return cost_of_elements(op, mode == "nearest" ? 1 : mode == "linear" ? 8 : 32);
}

constexpr AttrDef kResizeAttrs[] = {
    {"mode", AttrKind::Text, "nearest", "nearest, linear or cubic"},
    {"coordinates", AttrKind::Text, "half_pixel",
     "half_pixel, half_pixel_symmetric, pytorch_half_pixel, align_corners, asymmetric or "
     "tf_crop_and_resize"},
    {"nearest_mode", AttrKind::Text, "round_prefer_floor",
     "round_prefer_floor, round_prefer_ceil, floor or ceil"},
    {"cubic_a", AttrKind::Float, "-0.75", "the cubic kernel's coefficient"},
    {"exclude_outside", AttrKind::Int, "0", "1: weights outside x are 0 and the rest sums to 1"},
    {"antialias", AttrKind::Int, "0", "1: the kernel is stretched by 1 / scale where that shrinks"},
    {"extrapolation", AttrKind::Float, "0.0", "tf_crop_and_resize: value outside x"},
    {"sizes", AttrKind::Dims, "", "all dimensions of y"},
    {"scales", AttrKind::Floats, "[]", "output per input for each axis; none: the ratio of sizes"},
    {"roi", AttrKind::Floats, "[]", "tf_crop_and_resize: all starts, then all ends, 0 to 1"},
};

}  // namespace

const OpDef& op_resize() {
  static constexpr OpDef def{
      .name = "Resize",
      .doc =
          "y[o...] = sum over taps i... of x[i...] * product over axes of kernel((i - source(o)) * "
          "shrink). source: half_pixel (o + 0.5)/scale - 0.5; asymmetric o/scale; align_corners "
          "o*(in-1)/(in*scale-1); pytorch_half_pixel as half_pixel, 0 where in*scale <= 1; "
          "half_pixel_symmetric shifts half_pixel so that both centres meet; tf_crop_and_resize "
          "spans roi. Kernel: linear max(0, 1-|d|), cubic (Keys 1981); nearest takes one element. "
          "Indices outside are clamped to the edge. x and y: one number type (bool: nearest); "
          "integers round to nearest. An axis whose size and scale stay is untouched. ONNX Resize "
          "10 to 19, Upsample.",
      .operands = "x",
      .attrs = kResizeAttrs,
      .tolerance = {8, "weights computed in double, then products and sums in float in any order"},
      .infer = infer_resize,
      .reference = reference_resize,
      .cost = cost_resize,
  };
  return def;
}

}  // namespace lathe
