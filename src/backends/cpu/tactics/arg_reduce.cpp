// SPDX-License-Identifier: Apache-2.0
// arg_reduce: a scan for the place of the largest or smallest element.
#include "backends/cpu/simd/axis_loop.h"

namespace lathe::cpu {
namespace {

// NaN is ahead of every number.
template <class T>
bool ahead(T a, T b, bool largest) {
  if constexpr (!std::is_integral_v<T>) {
    if (b != b) return false;
    if (a != a) return true;
  }
  return largest ? b < a : a < b;
}

class PreparedArgReduce : public Prepared {
 public:
  explicit PreparedArgReduce(const OpInstance& op)
      : loop_(AxisLoop::make(op)),
        type_(op.in[0].dtype),
        largest_(op.attrs.text("kind") == "max"),
        last_(op.attrs.i("last") != 0) {}

  Status launch(const Buffers& at, Stream&) const override {
    visit_number(type_, [&]<class T>() {
      loop_.run([&](const int64_t* offset) {
        const T* x = static_cast<const T*>(at.in[0]) + offset[0];
        static_cast<int64_t*>(at.out[0])[offset[1]] = find(x);
      });
    });
    return {};
  }

 private:
  template <class T>
  int64_t find(const T* x) const {
    int64_t best = 0;
    T leader = x[0];
    for (int64_t j = 1; j < loop_.length; ++j) {
      const T v = x[j * loop_.steps[0]];
      const bool wins = last_ ? !ahead(leader, v, largest_) : ahead(v, leader, largest_);
      if (wins) best = j, leader = v;
    }
    return best;
  }

  AxisLoop loop_;
  DType type_;
  bool largest_, last_;
};

Support supports(const OpInstance& op, const DeviceInfo&) { return axis_support(op); }

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(std::make_unique<PreparedArgReduce>(context.op));
}

}  // namespace

const Tactic& arg_reduce() {
  static constexpr Tactic tactic{
      .name = "arg_reduce",
      .op = "ArgReduce",
      .doc = "A scan along any axis, rows in parallel.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
