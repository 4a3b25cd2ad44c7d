// SPDX-License-Identifier: Apache-2.0
// Lrn: local response normalization across channels.
#include <algorithm>

#include "ops/axes.h"
#include "ops/reference_util.h"

namespace lathe {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 30;

Status infer_lrn(InferContext& c) {
  LATHE_TRY(require_float(c, 0, "x"));
  if (c.shape(0).rank() < 2) {
    return invalid("x has shape {}, expected a rank of at least 2", c.shape(0).to_string());
  }
  const int64_t size = c.attrs.i("size");
  if (size < 1 || size > kMaxSize) return invalid("size is {}, expected 1 to {}", size, kMaxSize);
  c.add(c.dtype(0), c.shape(0));
  return {};
}

Status reference_lrn(const RefArgs& a) {
  const Attrs& attrs = a.op.attrs;
  const std::vector<int64_t> sizes = a.in[0].shape().sizes();
  const std::vector<int64_t> strides = row_strides(sizes);
  const int64_t size = attrs.i("size"), before = (size - 1) / 2, after = size / 2;
  const double alpha = attrs.f("alpha"), beta = attrs.f("beta"), bias = attrs.f("bias");
  const Doubles x(a.in[0], a.box.elements() * std::min(size, sizes[1]));
  for_each(a.box, [&](const int64_t* at, int64_t i) {
    const int64_t here = offset_of(at, strides), c = at[1];
    double squares = 0;
    for (int64_t j = std::max<int64_t>(0, c - before); j <= std::min(sizes[1] - 1, c + after);
         ++j) {
      const double v = x[here + (j - c) * strides[1]];
      squares += v * v;
    }
    const double base = bias + alpha / static_cast<double>(size) * squares;
    const double y = x[here] / std::pow(base, beta);
    // base's relative error is multiplied by beta, and pow's own grows with |beta log(base)|.
    put(a, i, y, std::abs(y) * (1 + std::abs(beta) * (2 + std::abs(std::log(base)))));
  });
  return {};
}

Cost cost_lrn(const OpInstance& op) {
  return cost_of_elements(op, 2 * static_cast<double>(op.attrs.i("size")) + 10);
}

constexpr AttrDef kLrnAttrs[] = {
    {"alpha", AttrKind::Float, "0.0001", "factor of the mean of squares"},
    {"beta", AttrKind::Float, "0.75", "the power"},
    {"bias", AttrKind::Float, "1.0", "added to the scaled mean of squares"},
    {"size", AttrKind::Int, "", "channels of the window; an even one reaches further forward"},
};

}  // namespace

const OpDef& op_lrn() {
  static constexpr OpDef def{
      .name = "Lrn",
      .doc =
          "y[n,c,...] = x[n,c,...] / (bias + alpha / size * sum of x[n,j,...]^2)^beta, j from c - "
          "floor((size-1)/2) to c + ceil((size-1)/2), cut at the edges. x[N,C,...] and y: one "
          "float type and shape. Krizhevsky et al. 2012; ONNX LRN.",
      .operands = "x",
      .attrs = kLrnAttrs,
      .tolerance = {8,
                    "pow in float costs a few units; the sum is of squares, without cancellation"},
      .infer = infer_lrn,
      .reference = reference_lrn,
      .cost = cost_lrn,
  };
  return def;
}

}  // namespace lathe
