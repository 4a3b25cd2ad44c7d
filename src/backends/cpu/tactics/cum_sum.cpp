// SPDX-License-Identifier: Apache-2.0
// cum_sum: a running sum, of floats in double, of integers modulo their width.
#include "backends/cpu/simd/axis_loop.h"

namespace lathe::cpu {
namespace {

class PreparedCumSum : public Prepared {
 public:
  explicit PreparedCumSum(const OpInstance& op)
      : loop_(AxisLoop::make(op)),
        type_(op.in[0].dtype),
        exclusive_(op.attrs.i("exclusive") != 0),
        reverse_(op.attrs.i("reverse") != 0) {}

  Status launch(const Buffers& at, Stream&) const override {
    visit_number(type_, [&]<class T>() {
      loop_.run([&](const int64_t* offset) {
        sum(static_cast<const T*>(at.in[0]) + offset[0], static_cast<T*>(at.out[0]) + offset[1]);
      });
    });
    return {};
  }

 private:
  template <class T>
  void sum(const T* x, T* y) const {
    using Total = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;
    Total total = 0;
    for (int64_t k = 0; k < loop_.length; ++k) {
      const int64_t j = reverse_ ? loop_.length - 1 - k : k;
      const auto before = total;
      total += static_cast<Total>(x[j * loop_.steps[0]]);
      y[j * loop_.steps[1]] = static_cast<T>(exclusive_ ? before : total);
    }
  }

  AxisLoop loop_;
  DType type_;
  bool exclusive_, reverse_;
};

Support supports(const OpInstance& op, const DeviceInfo&) { return axis_support(op); }

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(std::make_unique<PreparedCumSum>(context.op));
}

}  // namespace

const Tactic& cum_sum() {
  static constexpr Tactic tactic{
      .name = "cum_sum",
      .op = "CumSum",
      .doc = "A running sum along any axis, rows in parallel, floats in double.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
