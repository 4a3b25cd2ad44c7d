// SPDX-License-Identifier: Apache-2.0
// softmax: a row in the cache: its maximum, e^(x - max) with their sum, one product.
#include <algorithm>
#include <cmath>

#include "backends/cpu/simd/row_kernels.h"
#include "backends/cpu/simd/row_loop.h"

namespace lathe::cpu {
namespace {

// A row's sum over parts short enough for f32.
template <class F>
double in_parts(int64_t n, F&& f) {
  constexpr int64_t kPart = 4096;
  double total = 0;
  for (int64_t i = 0; i < n; i += kPart) {
    total += f(i, static_cast<size_t>(std::min(kPart, n - i)));
  }
  return total;
}

class PreparedSoftmax : public Prepared {
 public:
  explicit PreparedSoftmax(const OpInstance& op)
      : loop_(op, {axis_of(op)}), rows_(row_kernels()), log_(op.attrs.i("log") != 0) {}

  Status launch(const Buffers& at, Stream&) const override {
    loop_.run(at, [&](const RowView& row) {
      const auto n = static_cast<size_t>(row.n);
      const float most = rows_.max(row.x, n);
      if (log_) return log_row(row, most);
      const double sum = in_parts(row.n, [&](int64_t i, size_t count) {
        return rows_.exp_sum(row.x + i, most, row.y + i, count);
      });
      rows_.scale(row.y, static_cast<float>(1 / sum), row.y, n);
    });
    return {};
  }

 private:
  static int axis_of(const OpInstance& op) {
    const auto axis = static_cast<int>(op.attrs.i("axis"));
    return axis < 0 ? axis + op.out[0].rank() : axis;
  }

  void log_row(const RowView& row, float most) const {
    constexpr size_t kPart = 1024;
    float e[kPart];
    double sum = 0;
    for (int64_t i = 0; i < row.n; i += kPart) {
      sum += rows_.exp_sum(row.x + i, most, e, std::min(kPart, static_cast<size_t>(row.n - i)));
    }
    rows_.subtract(row.x, most, static_cast<float>(std::log(sum)), row.y,
                   static_cast<size_t>(row.n));
  }

  RowLoop loop_;
  const RowKernels& rows_;
  bool log_;
};

Support supports(const OpInstance& op, const DeviceInfo&) { return RowLoop::supports(op); }

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(std::make_unique<PreparedSoftmax>(context.op));
}

bool may_alias(const OpInstance& op, int in, int out) {
  return op.fusion.empty() && !op.fusion.sliced() && in == 0 && out == 0 &&
         op.in[0].layout == op.out[0].layout;
}

}  // namespace

const Tactic& softmax() {
  static constexpr Tactic tactic{
      .name = "softmax",
      .op = "Softmax",
      .doc = "Rows along any axis in f32, with prologue and epilogue, vectorised.",
      .supports = supports,
      .load = load,
      .may_alias = may_alias,
  };
  return tactic;
}

}  // namespace lathe::cpu
