// SPDX-License-Identifier: Apache-2.0
// Normalize: layer, instance and root-mean-square normalization over any axes.
#include <algorithm>
#include <array>

#include "ops/axes.h"
#include "ops/reference_util.h"

namespace lathe {
namespace {

constexpr std::array<std::string_view, 2> kNormalizeKinds = {"layer", "rms"};

Status infer_normalize(InferContext& c) {
  LATHE_TRY(require_float(c, 0, "x"));
  LATHE_TRY(word_of(c.attrs, "kind", kNormalizeKinds));
  LATHE_TRY(axes_of(c.attrs, "axes", c.shape(0).rank()));
  if (!(c.attrs.f("epsilon") >= 0)) {
    return invalid("epsilon is {}, expected 0 or more", c.attrs.f("epsilon"));
  }
  for (int k : {1, 2}) {
    if (!c.has(k)) continue;
    const std::string_view name = k == 1 ? "scale" : "bias";
    LATHE_TRY(require_same_dtype(c, k, name));
    LATHE_TRY(require_broadcast_to(c, c.shape(k), c.shape(0), name));
  }
  c.add(c.dtype(0), c.shape(0));
  return {};
}

// Of the elements that are normalized together.
struct Statistics {
  double mean = 0;      // 0 for rms
  double factor = 0;    // 1 / sqrt(variance + epsilon)
  double absolute = 0;  // mean of |x|: how much rounding may move the mean; 0 for rms
};

Statistics statistics_of(const Doubles& x, int64_t start, const Box& group,
                         std::span<const int64_t> strides, bool rms, double epsilon) {
  const double count = static_cast<double>(group.elements());
  const auto each = [&](auto&& f) {
    for_each(group, [&](const int64_t* at, int64_t) { f(x[start + offset_of(at, strides)]); });
  };
  Statistics s;
  if (!rms) {
    each([&](double v) { s.mean += v, s.absolute += std::abs(v); });
    s.mean /= count;
    s.absolute /= count;
  }
  double squares = 0;
  each([&](double v) { squares += (v - s.mean) * (v - s.mean); });
  s.factor = 1 / std::sqrt(squares / count + epsilon);
  return s;
}

Status reference_normalize(const RefArgs& a) {
  const std::vector<int64_t> sizes = a.in[0].shape().sizes(), strides = row_strides(sizes);
  const int rank = static_cast<int>(sizes.size());
  const bool rms = a.op.attrs.text("kind") == "rms";
  const double epsilon = a.op.attrs.f("epsilon");
  // groups: one element of the box for each group that it touches; inside: what the box covers of
  // a group; whole: the group.
  Box groups = a.box, inside = a.box, whole{Ints(sizes.size(), 0), Ints(sizes.size(), 1)};
  std::fill(inside.begin.begin(), inside.begin.end(), 0);
  std::fill(inside.end.begin(), inside.end.end(), 1);
  int64_t members = 1;
  for (int axis : LATHE_TRY(axes_of(a.op.attrs, "axes", rank))) {
    const auto d = static_cast<size_t>(axis);
    inside.begin[d] = a.box.begin[d];
    inside.end[d] = a.box.end[d];
    whole.end[d] = sizes[d];
    groups.begin[d] = 0;
    groups.end[d] = 1;
    members *= sizes[d];
  }
  const Doubles x(a.in[0], groups.elements() * members);
  std::vector<int64_t> extents;
  for (size_t d = 0; d < sizes.size(); ++d) extents.push_back(a.box.end[d] - a.box.begin[d]);
  const std::vector<int64_t> places = row_strides(extents);
  const int64_t first = offset_of(a.box.begin.data(), places);
  std::vector<int64_t> scale, bias;
  if (given(a, 1)) scale = broadcast_strides(a.in[1].shape().sizes(), a.box.begin);
  if (given(a, 2)) bias = broadcast_strides(a.in[2].shape().sizes(), a.box.begin);

  std::vector<int64_t> at(sizes.size());
  for_each(groups, [&](const int64_t* group, int64_t) {
    const Statistics s = statistics_of(x, offset_of(group, strides), whole, strides, rms, epsilon);
    for_each(inside, [&](const int64_t* member, int64_t) {
      for (size_t d = 0; d < at.size(); ++d) at[d] = group[d] + member[d];
      const double v = x[offset_of(at.data(), strides)];
      const double g = given(a, 1) ? a.in[1].get_f64(offset_of(at.data(), scale)) : 1;
      const double b = given(a, 2) ? a.in[2].get_f64(offset_of(at.data(), bias)) : 0;
      const double normal = (v - s.mean) * s.factor;
      // The mean's rounding moves the difference and, through the variance, the factor.
      const double error = (std::abs(v) + s.absolute) * s.factor * (1 + std::abs(normal));
      put(a, offset_of(at.data(), places) - first, normal * g + b,
          std::abs(g) * error + std::abs(b));
    });
  });
  return {};
}

Cost cost_normalize(const OpInstance& op) { return cost_of_elements(op, 8); }

constexpr AttrDef kNormalizeAttrs[] = {
    {"axes", AttrKind::Ints, "", "the axes that are normalized together"},
    {"epsilon", AttrKind::Float, "0.00001", "added to the variance or the mean of squares"},
    {"kind", AttrKind::Text, "layer", "layer: subtract the mean; rms: do not"},
};

}  // namespace

const OpDef& op_normalize() {
  static constexpr OpDef def{
      .name = "Normalize",
      .doc =
          "layer: y = (x - mean) / sqrt(variance + epsilon) * scale + bias, mean and (biased) "
          "variance over `axes`; rms: y = x / sqrt(mean(x^2) + epsilon) * scale + bias. x, scale, "
          "bias, y: one float type; scale and bias broadcast (NumPy) to x, y has x's shape. ONNX "
          "LayerNormalization, InstanceNormalization, GroupNormalization, "
          "MeanVarianceNormalization, RMSNormalization.",
      .operands = "x [scale] [bias]",
      .attrs = kNormalizeAttrs,
      .tolerance = {8,
                    "statistics in float or wider, in any order, of differences from the mean; the "
                    "magnitude carries the mean's rounding into the result"},
      .infer = infer_normalize,
      .reference = reference_normalize,
      .cost = cost_normalize,
  };
  return def;
}

}  // namespace lathe
