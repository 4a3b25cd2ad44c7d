// SPDX-License-Identifier: Apache-2.0
// CumSum: running sums along one axis.
#include "ops/axes.h"
#include "ops/reference_util.h"

namespace lathe {
namespace {

Status infer_cum_sum(InferContext& c) {
  const DType t = c.dtype(0);
  if (!is_computable(t) || t == DType::Bool) {
    return invalid("x has type {}, expected a number", to_string(t));
  }
  LATHE_TRY(axis_of(c.attrs, "axis", c.shape(0).rank()));
  LATHE_TRY(require_flag(c.attrs, "exclusive"));
  LATHE_TRY(require_flag(c.attrs, "reverse"));
  c.add(t, c.shape(0));
  return {};
}

// A running sum: doubles with the sum of |terms|, or integers that wrap.
struct FloatSum {
  double sum = 0, magnitude = 0;
};

Status reference_cum_sum(const RefArgs& a) {
  const std::vector<int64_t> sizes = a.in[0].shape().sizes();
  const std::vector<int64_t> strides = row_strides(sizes);
  const int axis = LATHE_TRY(axis_of(a.op.attrs, "axis", static_cast<int>(sizes.size())));
  const auto along = static_cast<size_t>(axis);
  const bool exclusive = a.op.attrs.i("exclusive") != 0, reverse = a.op.attrs.i("reverse") != 0;
  visit_number(a.in[0].dtype(), [&]<class T>() {
    const std::span<const T> x = a.in[0].span<T>();
    const std::span<T> y = a.out[0].mutable_span<T>();
    for_each_row(a.box, axis, [&](const int64_t* at, int64_t place, int64_t place_step) {
      const int64_t step = strides[along], n = sizes[along];
      const int64_t start = offset_of(at, strides) - at[along] * step;
      FloatSum floats;
      uint64_t integers = 0;
      const auto write = [&](int64_t j) {
        if (j < a.box.begin[along] || j >= a.box.end[along]) return;
        const int64_t to = place + (j - a.box.begin[along]) * place_step;
        if constexpr (std::is_integral_v<T>) {
          y[static_cast<size_t>(to)] = static_cast<T>(integers);
          put_exact(a, to);
        } else {
          put(a, to, floats.sum, floats.magnitude);
        }
      };
      for (int64_t k = 0; k < n; ++k) {
        const int64_t j = reverse ? n - 1 - k : k;
        if (exclusive) write(j);
        const T v = x[static_cast<size_t>(start + j * step)];
        if constexpr (std::is_integral_v<T>) {
          integers += static_cast<uint64_t>(v);
        } else {
          floats.sum += static_cast<double>(v);
          floats.magnitude += std::abs(static_cast<double>(v));
        }
        if (!exclusive) write(j);
      }
    });
  });
  return {};
}

constexpr AttrDef kCumSumAttrs[] = {
    {"axis", AttrKind::Int, "", "the axis that is summed along"},
    {"exclusive", AttrKind::Int, "0", "1: y[j] leaves out x[j]"},
    {"reverse", AttrKind::Int, "0", "1: from the end"},
};

}  // namespace

const OpDef& op_cum_sum() {
  static constexpr OpDef def{
      .name = "CumSum",
      .doc =
          "y[j] = x[0] + ... + x[j] along `axis`, or without x[j] (exclusive), or from the end "
          "(reverse). x and y: one number type and shape; integers wrap. ONNX CumSum.",
      .operands = "x",
      .attrs = kCumSumAttrs,
      .tolerance = {4, "any association of the additions in the element type or wider"},
      .infer = infer_cum_sum,
      .reference = reference_cum_sum,
  };
  return def;
}

}  // namespace lathe
