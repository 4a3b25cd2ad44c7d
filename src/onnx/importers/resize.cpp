// SPDX-License-Identifier: Apache-2.0
// Resize and Upsample, every version: sizes and scales become the result's dimensions.
#include <algorithm>
#include <cmath>

#include "onnx/import_axes.h"

namespace lathe {
namespace {

constexpr int64_t kMaxDenominator = 64;

// floor(size * scale); of a symbolic size for scales p/q with a small q.
Result<Dim> scaled_size(const Dim& size, double scale) {
  if (!(scale > 0) || scale > 1 << 20) return invalid("a scale is {}", scale);
  if (size.is_constant()) {
    return Dim(static_cast<int64_t>(static_cast<float>(scale) * static_cast<float>(size.value())));
  }
  for (int64_t q = 1; q <= kMaxDenominator; ++q) {
    const double p = std::round(scale * static_cast<double>(q));
    if (p < 1 || static_cast<float>(p / static_cast<double>(q)) != static_cast<float>(scale))
      continue;
    return Dim::floor_div(size * static_cast<int64_t>(p), q);
  }
  return unsupported("the scale {} of the symbolic size {} is not implemented", scale,
                     size.to_string());
}

struct Target {
  Dims sizes;     // of all axes
  Floats scales;  // of all axes, or none
  Floats roi;
};

Result<Floats> floats_of(NodeImport& n, size_t k, std::string_view what) {
  HostTensor t = LATHE_TRY(n.constant_of(k, what));
  if (!is_float(t.dtype())) return invalid("{} are not floats", what);
  return t.to_f64();
}

// An operand that is there and not empty, which is how opset 11 says "absent".
bool given(NodeImport& n, size_t k) {
  return n.in(k) && !(n.in(k)->type.rank() == 1 && n.in(k)->type.shape[0].is(0));
}

Status from_scales(Target& t, const Shape& x, const Ints& axes, const Floats& scales) {
  if (scales.size() != axes.size())
    return invalid("{} scales for {} axes", scales.size(), axes.size());
  t.scales.assign(static_cast<size_t>(x.rank()), 1.0);
  for (size_t k = 0; k < axes.size(); ++k) {
    const auto d = static_cast<size_t>(axes[k]);
    t.scales[d] = scales[k];
    t.sizes[d] = LATHE_TRY(scaled_size(t.sizes[d], scales[k]));
  }
  return {};
}

// One scale for all axes, so that the result is not larger or not smaller than what was asked;
// where it leads to no whole size, samples lie as the scale says.
Status keep_aspect(Target& t, const Shape& x, const Ints& axes, const Dims& sizes, bool smaller) {
  double scale = 0;
  for (size_t k = 0; k < axes.size(); ++k) {
    const Dim& in = x[static_cast<int>(axes[k])];
    if (!in.is_constant() || in.is(0) || !sizes[k].is_constant()) {
      return unsupported("keep_aspect_ratio_policy with symbolic sizes is not implemented");
    }
    const double s = static_cast<double>(sizes[k].value()) / static_cast<double>(in.value());
    scale = k == 0 ? s : smaller ? std::min(scale, s) : std::max(scale, s);
  }
  t.scales.assign(static_cast<size_t>(x.rank()), 1.0);
  for (int64_t axis : axes) {
    const auto in = static_cast<double>(x[static_cast<int>(axis)].value());
    t.sizes[static_cast<size_t>(axis)] = static_cast<int64_t>(std::floor(in * scale + 0.5));
    t.scales[static_cast<size_t>(axis)] = scale;
  }
  return {};
}

Status from_sizes(NodeImport& n, Target& t, const Shape& x, const Ints& axes, const Dims& sizes) {
  if (sizes.size() != axes.size())
    return invalid("{} sizes for {} axes", sizes.size(), axes.size());
  const std::string policy = n.s("keep_aspect_ratio_policy", "stretch");
  if (policy == "not_larger" || policy == "not_smaller") {
    return keep_aspect(t, x, axes, sizes, policy == "not_larger");
  }
  if (policy != "stretch") return invalid("keep_aspect_ratio_policy is '{}'", policy);
  for (size_t k = 0; k < axes.size(); ++k) t.sizes[static_cast<size_t>(axes[k])] = sizes[k];
  return {};
}

// The region of interest of all axes: the whole of those that are not named.
Result<Floats> region(NodeImport& n, const Ints& axes, int rank) {
  const Floats part = LATHE_TRY(floats_of(n, 1, "roi"));
  if (part.size() != 2 * axes.size()) return invalid("roi has {} values", part.size());
  Floats roi(2 * static_cast<size_t>(rank), 0.0);
  std::fill(roi.begin() + rank, roi.end(), 1.0);
  for (size_t k = 0; k < axes.size(); ++k) {
    roi[static_cast<size_t>(axes[k])] = part[k];
    roi[static_cast<size_t>(axes[k] + rank)] = part[axes.size() + k];
  }
  return roi;
}

Attrs attrs_of(NodeImport& n) {
  Attrs a;
  a.set("mode", n.s("mode", "nearest"));
  // Before opset 11 there was one way: o / scale, rounded down (shrink_nearest: or up).
  const bool old = n.opset() < 11;
  a.set("coordinates", n.s("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel"));
  a.set("nearest_mode", n.s("nearest_mode", old ? "floor" : "round_prefer_floor"));
  a.set("cubic_a", n.f("cubic_coeff_a", -0.75));
  a.set("exclude_outside", int64_t{n.i("exclude_outside", 0) != 0});
  a.set("antialias", int64_t{n.i("antialias", 0) != 0});
  a.set("extrapolation", n.f("extrapolation_value", 0.0));
  return a;
}

// Resize of opset 10 rounds up along the axes that shrink: those go first, by themselves. Leaves in
// `t` what remains to be done.
Result<Value*> shrink_nearest(NodeImport& n, Value* x, const Attrs& attrs, Target& t) {
  Dims sizes = dims_list(x->type.shape);
  Floats scales(t.scales.size(), 1.0);
  bool shrinks = false;
  for (size_t d = 0; d < scales.size(); ++d) {
    if (t.scales[d] >= 1) continue;
    shrinks = true;
    sizes[d] = t.sizes[d];
    std::swap(scales[d], t.scales[d]);
  }
  if (!shrinks) return x;
  Attrs up = attrs;
  up.set("nearest_mode", std::string("ceil")).set("sizes", std::move(sizes)).set("scales", scales);
  return n.add("Resize", {x}, std::move(up));
}

}  // namespace

Status import_resize(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "X"));
  const Shape& shape = x->type.shape;
  n.without_effect({"keep_aspect_ratio_policy"});  // where scales are given
  Target t;
  t.sizes = dims_list(shape);
  Ints axes = all_axes(shape.rank());
  if (n.has("axes")) axes = LATHE_TRY(positive_axes(n.ints("axes"), shape.rank()));
  Attrs attrs = attrs_of(n);
  if (attrs.text("mode") == "bilinear") attrs.set("mode", std::string("linear"));
  if (n.opset() < 9 && n.type() == "Upsample") {
    LATHE_TRY(from_scales(t, shape, axes, n.floats("scales")));
  } else if (n.opset() < 11) {
    LATHE_TRY(from_scales(t, shape, axes, LATHE_TRY(floats_of(n, 1, "scales"))));
  } else if (given(n, 3)) {
    LATHE_TRY(from_sizes(n, t, shape, axes, LATHE_TRY(n.sizes_of(3, "sizes"))));
  } else {
    LATHE_TRY(from_scales(t, shape, axes, LATHE_TRY(floats_of(n, 2, "scales"))));
  }
  if (attrs.text("coordinates") == "tf_crop_and_resize") {
    attrs.set("roi", LATHE_TRY(region(n, axes, shape.rank())));
  }
  if (n.opset() == 10 && n.type() == "Resize" && attrs.text("mode") == "nearest") {
    x = LATHE_TRY(shrink_nearest(n, x, attrs, t));
  }
  attrs.set("sizes", t.sizes).set("scales", t.scales);
  return n.result(LATHE_TRY(n.add("Resize", {x}, std::move(attrs))));
}

}  // namespace lathe
