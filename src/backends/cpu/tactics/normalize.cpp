// SPDX-License-Identifier: Apache-2.0
// normalize: layer and RMS normalization over any axes, a row in the cache: mean, mean of squared
// differences, then scale and bias in one pass.
#include <algorithm>
#include <cmath>

#include "backends/cpu/simd/row_kernels.h"
#include "backends/cpu/simd/row_loop.h"

namespace lathe::cpu {
namespace {

std::vector<int> axes_of(const OpInstance& op) {
  std::vector<int> axes;
  for (int64_t a : op.attrs.ints("axes")) {
    axes.push_back(static_cast<int>(a < 0 ? a + op.out[0].rank() : a));
  }
  return axes;
}

class PreparedNormalize : public Prepared {
 public:
  explicit PreparedNormalize(const OpInstance& op)
      : loop_(op, axes_of(op)),
        rows_(row_kernels()),
        is_rms_(op.attrs.text("kind") == "rms"),
        epsilon_(op.attrs.f("epsilon")) {}

  Status launch(const Buffers& at, Stream&) const override {
    loop_.run(at, [&](const RowView& row) {
      const auto count = static_cast<double>(row.n);
      double sum = 0;
      for (int64_t i = 0; !is_rms_ && i < row.n; i += kPart)
        sum += rows_.sum(row.x + i, part(row, i));
      const auto mean = static_cast<float>(sum / count);
      double squares = 0;
      for (int64_t i = 0; i < row.n; i += kPart) {
        squares += rows_.sum_squares(row.x + i, mean, part(row, i));
      }
      const auto factor = static_cast<float>(1 / std::sqrt(squares / count + epsilon_));
      scale_and_shift(row, {mean, factor, 0});
    });
    return {};
  }

 private:
  static constexpr int64_t kPart = 4096;  // summed in f32; the parts in double
  static size_t part(const RowView& row, int64_t i) {
    return static_cast<size_t>(std::min(kPart, row.n - i));
  }

  // (x - mean) * factor * scale + bias with the parameters as they come
  void scale_and_shift(const RowView& row, Normal normal) const {
    const float *scale = row.parameters[0], *bias = row.parameters[1];
    const bool varies =
        (scale != nullptr && !row.is_single[0]) || (bias != nullptr && !row.is_single[1]);
    const auto n = static_cast<size_t>(row.n);
    if (!varies) {
      if (scale != nullptr) normal.factor *= *scale;
      if (bias != nullptr) normal.shift = *bias;
      return rows_.normalize(row.x, normal, nullptr, nullptr, row.y, n);
    }
    std::vector<float> spread[2];
    const float* along[2] = {scale, bias};
    for (size_t p = 0; p < 2; ++p) {
      if (along[p] == nullptr || !row.is_single[p]) continue;
      spread[p].assign(n, *along[p]);
      along[p] = spread[p].data();
    }
    rows_.normalize(row.x, normal, along[0], along[1], row.y, n);
  }

  RowLoop loop_;
  const RowKernels& rows_;
  bool is_rms_;
  double epsilon_;
};

Support supports(const OpInstance& op, const DeviceInfo&) { return RowLoop::supports(op); }

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(std::make_unique<PreparedNormalize>(context.op));
}

bool may_alias(const OpInstance& op, int in, int out) {
  return op.fusion.empty() && !op.fusion.sliced() && in == 0 && out == 0 &&
         op.in[0].layout == op.out[0].layout;
}

}  // namespace

const Tactic& normalize() {
  static constexpr Tactic tactic{
      .name = "normalize",
      .op = "Normalize",
      .doc = "Rows over any axes in f32, with scale, bias, prologue and epilogue, vectorised.",
      .supports = supports,
      .load = load,
      .may_alias = may_alias,
  };
  return tactic;
}

}  // namespace lathe::cpu
