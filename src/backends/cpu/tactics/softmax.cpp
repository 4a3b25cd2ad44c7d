// SPDX-License-Identifier: Apache-2.0
// softmax: a row in the cache: its maximum, e^(x - max) with their sum, one product.
#include <algorithm>
#include <cmath>

#include "backends/cpu/simd/row_kernels.h"
#include "backends/cpu/simd/row_loop.h"
#include "ops/axes.h"

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
      : loop_(op, {axis_of(op, op.out[0].rank())}),
        rows_(row_kernels()),
        log_(op.attrs.i("log") != 0) {}

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

// The axis lies across memory: columns side by side, a strip of them at a time.
class PreparedColumns : public Prepared {
 public:
  static bool fits(const OpInstance& op) {
    if (!op.fusion.empty() || op.attrs.i("log") != 0 || op.in[0].dtype != DType::F32) return false;
    const PreparedColumns p(op);
    return p.nest_.strides[0].back() == 1 && p.nest_.strides[1].back() == 1 &&
           p.nest_.inner() >= 8 && p.length_ > 1;
  }

  explicit PreparedColumns(const OpInstance& op) {
    const auto axis = static_cast<size_t>(axis_of(op, op.out[0].rank()));
    std::vector<int64_t> sizes = op.out[0].shape.sizes();
    std::vector<std::vector<int64_t>> strides{operand_strides(op, 0), result_strides(op, 0)};
    auto take = [&](std::vector<int64_t>& v) {
      const int64_t taken = v[axis];
      v.erase(v.begin() + static_cast<std::ptrdiff_t>(axis));
      return taken;
    };
    length_ = take(sizes);
    from_step_ = take(strides[0]);
    to_step_ = take(strides[1]);
    nest_ = make_nest(std::move(sizes), std::move(strides));
  }

  Status launch(const Buffers& at, Stream&) const override {
    const int64_t width = nest_.inner(), strips = (width + kStrip - 1) / kStrip;
    if (width == 0 || length_ == 0) return {};
    const int64_t least = std::max<int64_t>(1, grain(4) / (length_ * std::min(width, kStrip)));
    parallel_for(nest_.elements() / width * strips, least, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        int64_t index = i / strips, x = i % strips * kStrip, y = x;
        const int64_t n = std::min(kStrip, width - x);
        for (size_t d = nest_.sizes.size() - 1; d-- > 0;) {
          const int64_t c = index % nest_.sizes[d];
          index /= nest_.sizes[d];
          x += c * nest_.strides[0][d];
          y += c * nest_.strides[1][d];
        }
        strip(static_cast<const float*>(at.in[0]) + x, static_cast<float*>(at.out[0]) + y,
              static_cast<size_t>(n));
      }
    });
    return {};
  }

 private:
  static constexpr int64_t kStrip = 512;

  void strip(const float* x, float* y, size_t n) const {
    const RowKernels& k = row_kernels();
    float most[kStrip], sum[kStrip] = {};
    std::copy_n(x, n, most);
    for (int64_t j = 1; j < length_; ++j) k.maximum(x + j * from_step_, most, n);
    for (int64_t j = 0; j < length_; ++j) {
      k.exp_columns(x + j * from_step_, most, y + j * to_step_, sum, n);
    }
    for (size_t c = 0; c < n; ++c) sum[c] = 1 / sum[c];
    for (int64_t j = 0; j < length_; ++j) k.scale_columns(sum, y + j * to_step_, n);
  }

  Nest nest_;
  int64_t length_ = 0, from_step_ = 0, to_step_ = 0;
};

Support supports(const OpInstance& op, const DeviceInfo&) { return RowLoop::supports(op); }

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  if (PreparedColumns::fits(context.op)) {
    return std::unique_ptr<Prepared>(std::make_unique<PreparedColumns>(context.op));
  }
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
