// SPDX-License-Identifier: Apache-2.0
// lrn: blocks of neighbouring pixels, channel after channel: squares of the window's channels are
// added up in the first-level cache, then one expression normalizes.
#include <algorithm>

#include "backends/cpu/simd/copy_plan.h"
#include "backends/cpu/simd/expr_kernel.h"
#include "base/math.h"
#include "base/parallel.h"

namespace lathe::cpu {
namespace {

constexpr int64_t kBlock = 1024;  // pixels

class PreparedLrn : public Prepared {
 public:
  explicit PreparedLrn(const OpInstance& op)
      : square_(*Expr::parse("(a:f32) -> mul(a, a)")),
        add_square_(*Expr::parse("(a:f32, b:f32) -> add(a, mul(b, b))")) {
    const std::vector<int64_t> sizes = op.in[0].shape.sizes();
    images_ = sizes[0];
    channels_ = sizes[1];
    for (size_t d = 2; d < sizes.size(); ++d) pixels_ *= sizes[d];
    const int64_t size = op.attrs.i("size");
    before_ = (size - 1) / 2;
    after_ = size / 2;
    Expr e({DType::F32, DType::F32});
    const auto number = [&](double v) { return e.literal(DType::F32, v); };
    const double factor = op.attrs.f("alpha") / static_cast<double>(size);
    const int scaled = e.call(ScalarOp::Mul, {e.input(1), number(factor)});
    const int base = e.call(ScalarOp::Add, {scaled, number(op.attrs.f("bias"))});
    const int power = e.call(ScalarOp::Pow, {base, number(op.attrs.f("beta"))});
    e.output(e.call(ScalarOp::Div, {e.input(0), power}));
    normalize_ = ExprKernel(e);
  }

  Status launch(const Buffers& at, Stream&) const override {
    const auto* x = static_cast<const float*>(at.in[0]);
    auto* y = static_cast<float*>(at.out[0]);
    const int64_t blocks = ceil_div(pixels_, kBlock);
    parallel_for(images_ * blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        const int64_t first = k % blocks * kBlock;
        const int64_t offset = k / blocks * channels_ * pixels_ + first;
        run(x + offset, y + offset, std::min(kBlock, pixels_ - first));
      }
    });
    return {};
  }

 private:
  // `n` pixels of all channels.
  void run(const float* x, float* y, int64_t n) const {
    float sums[kBlock];
    const auto row = [&](const float* base, int64_t c) {
      return Rows{const_cast<float*>(base) + c * pixels_, 1, 0};
    };
    const Rows sum{sums, 1, 0};
    for (int64_t c = 0; c < channels_; ++c) {
      const int64_t first = std::max<int64_t>(0, c - before_);
      const int64_t last = std::min(channels_ - 1, c + after_);
      const Rows start = row(x, first);
      square_.run({&start, 1}, {&sum, 1}, 1, n);
      for (int64_t j = first + 1; j <= last; ++j) {
        const Rows in[] = {sum, row(x, j)};
        add_square_.run(in, {&sum, 1}, 1, n);
      }
      const Rows in[] = {row(x, c), sum}, out = row(y, c);
      normalize_.run(in, {&out, 1}, 1, n);
    }
  }

  int64_t images_ = 1, channels_ = 1, pixels_ = 1, before_ = 0, after_ = 0;
  ExprKernel square_, add_square_, normalize_;
};

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (op.in[0].dtype != DType::F32) return Support::no("only f32");
  return has_plain_rows(op);
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(std::make_unique<PreparedLrn>(context.op));
}

}  // namespace

const Tactic& lrn() {
  static constexpr Tactic tactic{
      .name = "lrn",
      .op = "Lrn",
      .doc = "Sums of squares over channels, block by block of pixels, then one expression.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
