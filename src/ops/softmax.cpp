// SPDX-License-Identifier: Apache-2.0
// Softmax and its logarithm along one axis.
#include <limits>

#include "ops/axes.h"
#include "ops/reference_util.h"

namespace lathe {
namespace {

Status infer_softmax(InferContext& c) {
  LATHE_TRY(require_float(c, 0, "x"));
  LATHE_TRY(axis_of(c.attrs, "axis", c.shape(0).rank()));
  LATHE_TRY(require_flag(c.attrs, "log"));
  c.add(c.dtype(0), c.shape(0));
  return {};
}

// Of one row: the largest element, the sum of exp(x - largest), and how far rounding of x - largest
// moves that sum, relatively.
struct RowSums {
  double most = -std::numeric_limits<double>::infinity();
  double sum = 0, error = 0;
};

RowSums sums_of(const Doubles& x, int64_t start, int64_t step, int64_t length) {
  RowSums row;
  for (int64_t j = 0; j < length; ++j) {
    const double v = x[start + j * step];
    if (std::isnan(v) || v > row.most) row.most = v;
  }
  for (int64_t j = 0; j < length; ++j) {
    const double below = x[start + j * step] - row.most, e = std::exp(below);
    row.sum += e;
    if (e > 0) row.error += e * -below;
  }
  row.error /= row.sum;
  return row;
}

Status reference_softmax(const RefArgs& a) {
  const std::vector<int64_t> sizes = a.in[0].shape().sizes();
  const std::vector<int64_t> strides = row_strides(sizes);
  const int axis = LATHE_TRY(axis_of(a.op.attrs, "axis", static_cast<int>(sizes.size())));
  const auto along = static_cast<size_t>(axis);
  const bool log = a.op.attrs.i("log") != 0;
  const Doubles x(a.in[0], a.box.elements());
  for_each_row(a.box, axis, [&](const int64_t* at, int64_t place, int64_t place_step) {
    const int64_t step = strides[along];
    const int64_t start = offset_of(at, strides) - at[along] * step;
    const RowSums row = sums_of(x, start, step, sizes[along]);
    for (int64_t j = a.box.begin[along]; j < a.box.end[along]; ++j, place += place_step) {
      const double below = x[start + j * step] - row.most;
      if (log) {
        const double log_sum = std::log(row.sum);
        put(a, place, below - log_sum, std::abs(below) + log_sum + row.error + 1);
      } else {
        const double y = std::exp(below) / row.sum;
        put(a, place, y, y == 0 ? 0 : y * (1 - below + row.error));
      }
    }
  });
  return {};
}

Cost cost_softmax(const OpInstance& op) { return cost_of_elements(op, 5); }

constexpr AttrDef kSoftmaxAttrs[] = {
    {"axis", AttrKind::Int, "-1", "the axis that sums to 1"},
    {"log", AttrKind::Int, "0", "1: the natural logarithm of the softmax"},
};

}  // namespace

const OpDef& op_softmax() {
  static constexpr OpDef def{
      .name = "Softmax",
      .doc =
          "y = exp(x - max(x)) / sum(exp(x - max(x))) along `axis`; with `log`, x - max(x) - "
          "log(sum(exp(x - max(x)))). x and y: one float type and shape. A row that holds NaN or "
          "+inf, or -inf alone, is NaN. ONNX Softmax and LogSoftmax since opset 13.",
      .operands = "x",
      .attrs = kSoftmaxAttrs,
      .tolerance = {8,
                    "exp and division in float, a few units each; the magnitude carries the "
                    "rounding of x - max through exp"},
      .infer = infer_softmax,
      .reference = reference_softmax,
      .cost = cost_softmax,
  };
  return def;
}

}  // namespace lathe
