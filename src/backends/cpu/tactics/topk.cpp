// SPDX-License-Identifier: Apache-2.0
// topk: the first k of a partial sort by value, then by place.
#include <cmath>
#include <numeric>

#include "backends/cpu/simd/axis_loop.h"

namespace lathe::cpu {
namespace {

// NaN is larger than every number.
template <class T>
bool less(T a, T b) {
  if constexpr (!std::is_integral_v<T>) {
    if (std::isnan(static_cast<float>(a))) return false;
    if (std::isnan(static_cast<float>(b))) return true;
  }
  return a < b;
}

class PreparedTopK : public Prepared {
 public:
  explicit PreparedTopK(const OpInstance& op)
      : loop_(AxisLoop::make(op)), type_(op.in[0].dtype), largest_(op.attrs.i("largest") != 0) {
    k_ = op.out[0].shape[axis_of(op, op.in[0].rank())].value();
  }

  Status launch(const Buffers& at, Stream&) const override {
    visit_number(type_, [&]<class T>() {
      loop_.run([&](const int64_t* offset) {
        pick(static_cast<const T*>(at.in[0]) + offset[0], static_cast<T*>(at.out[0]) + offset[1],
             static_cast<int64_t*>(at.out[1]) + offset[2]);
      });
    });
    return {};
  }

 private:
  template <class T>
  void pick(const T* x, T* values, int64_t* places) const {
    static thread_local std::vector<int64_t> order;
    order.resize(static_cast<size_t>(loop_.length));
    std::iota(order.begin(), order.end(), 0);
    const int64_t step = loop_.steps[0];
    auto before = [&](int64_t i, int64_t j) {
      const T a = x[i * step], b = x[j * step];
      const bool first = largest_ ? less(b, a) : less(a, b);
      const bool second = largest_ ? less(a, b) : less(b, a);
      return first || (!second && i < j);
    };
    std::partial_sort(order.begin(), order.begin() + k_, order.end(), before);
    for (int64_t j = 0; j < k_; ++j) {
      const int64_t from = order[static_cast<size_t>(j)];
      values[j * loop_.steps[1]] = x[from * step];
      places[j * loop_.steps[2]] = from;
    }
  }

  AxisLoop loop_;
  DType type_;
  bool largest_;
  int64_t k_ = 0;
};

Support supports(const OpInstance& op, const DeviceInfo&) { return axis_support(op); }

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(std::make_unique<PreparedTopK>(context.op));
}

}  // namespace

const Tactic& topk() {
  static constexpr Tactic tactic{
      .name = "topk",
      .op = "TopK",
      .doc = "A partial sort along any axis, rows in parallel.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
