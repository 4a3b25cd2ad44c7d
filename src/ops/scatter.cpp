// SPDX-License-Identifier: Apache-2.0
#include "ops/scatter.h"

#include <cmath>
#include <type_traits>

#include "ops/movement.h"

namespace lathe {
namespace {

constexpr std::string_view kWords[] = {"none", "add", "mul", "max", "min"};

// Places of the whole output in the box.
class BoxPlaces {
 public:
  BoxPlaces(const Box& box, const Shape& whole) : box_(box), whole_(row_strides(whole.sizes())) {
    std::vector<int64_t> extents;
    for (size_t d = 0; d < box.begin.size(); ++d) extents.push_back(box.end[d] - box.begin[d]);
    strides_ = row_strides(extents);
  }
  // Element `at` of the whole output as an element of the box, or -1 when outside.
  int64_t operator()(int64_t at) const {
    int64_t place = 0;
    for (size_t d = 0; d < whole_.size(); ++d) {
      const int64_t c = at / whole_[d];
      at %= whole_[d];
      if (c < box_.begin[d] || c >= box_.end[d]) return -1;
      place += (c - box_.begin[d]) * strides_[d];
    }
    return place;
  }

 private:
  const Box& box_;
  std::vector<int64_t> whole_, strides_;
};

template <class T>
T combined(Combine how, T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    // Through unsigned 64 bits: wraps in every width, without undefined overflow.
    const auto ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
    if (how == Combine::Add) return static_cast<T>(ua + ub);
    if (how == Combine::Mul) return static_cast<T>(ua * ub);
    return how == Combine::Max ? (a < b ? b : a) : (b < a ? b : a);
  } else {
    using F = std::conditional_t<std::is_same_v<T, double>, double, float>;
    const F fa = static_cast<F>(a), fb = static_cast<F>(b);
    if (how == Combine::Add) return T(fa + fb);
    if (how == Combine::Mul) return T(fa * fb);
    if (std::isnan(fa)) return a;
    if (std::isnan(fb)) return b;
    return how == Combine::Max ? (fa < fb ? b : a) : (fb < fa ? b : a);
  }
}

// Sums keep the sum of |terms|, products |result| for each factor; the others are exact.
class Magnitude {
 public:
  Magnitude(HostTensor* tensor, Combine how)
      : tensor_(how == Combine::Add || how == Combine::Mul ? tensor : nullptr), how_(how) {
    if (tensor == nullptr) return;
    for (double& m : tensor->mutable_span<double>()) m = 0;
    if (tensor_ != nullptr) at_ = tensor_->mutable_span<double>();
  }
  void hit(int64_t place, double before, double update) {
    if (tensor_ == nullptr) return;
    double& m = at_[static_cast<size_t>(place)];
    if (how_ == Combine::Mul) {
      m += 1;
    } else {
      m += std::abs(update) + (m == 0 ? std::abs(before) : 0);
    }
  }
  void finish(const HostTensor& y) {
    if (tensor_ == nullptr || how_ == Combine::Add) return;
    for (size_t i = 0; i < at_.size(); ++i) {
      if (at_[i] != 0) at_[i] *= std::abs(y.get_f64(static_cast<int64_t>(i)));
    }
  }

 private:
  HostTensor* tensor_;
  Combine how_;
  std::span<double> at_;
};

Status replace(const RefArgs& args, std::span<const int64_t> targets) {
  const BoxPlaces places(args.box, args.op.out[0].shape);
  const AffineIndex from{0, row_strides(args.op.in[0].shape.sizes())};
  ElementSink sink(args.out[0]);
  for_each(args.box, [&](const int64_t* c, int64_t at) { sink.put(at, args.in[0], from(c)); });
  for (size_t u = 0; u < targets.size(); ++u) {
    const int64_t place = places(targets[u]);
    if (place >= 0) sink.put(place, args.in[2], static_cast<int64_t>(u));
  }
  sink.finish();
  Magnitude(args.magnitude, Combine::Replace);
  return {};
}

template <class T>
void accumulate(const RefArgs& args, std::span<const int64_t> targets, Combine how) {
  const BoxPlaces places(args.box, args.op.out[0].shape);
  Magnitude magnitude(args.magnitude, how);
  const std::span<const T> updates = args.in[2].span<T>();
  const std::span<T> y = args.out[0].mutable_span<T>();
  for (size_t u = 0; u < targets.size(); ++u) {
    const int64_t place = places(targets[u]);
    if (place < 0) continue;
    T& element = y[static_cast<size_t>(place)];
    magnitude.hit(place, static_cast<double>(element), static_cast<double>(updates[u]));
    element = combined(how, element, updates[u]);
  }
  magnitude.finish(args.out[0]);
}

}  // namespace

Result<Combine> combine_of(const Attrs& attrs) {
  return static_cast<Combine>(LATHE_TRY(word_of(attrs, "reduction", kWords)));
}

Status require_scatter_types(const InferContext& ctx) {
  LATHE_TRY(require_index(ctx, 1, "indices"));
  LATHE_TRY(require_same_dtype(ctx, 2, "updates"));
  const Combine how = LATHE_TRY(combine_of(ctx.attrs));
  return how == Combine::Replace ? Status() : require_number(ctx, 0, "x");
}

Status scatter(const RefArgs& args, std::span<const int64_t> targets) {
  const Combine how = LATHE_TRY(combine_of(args.op.attrs));
  if (how == Combine::Replace) return replace(args, targets);
  LATHE_TRY(move_elements(args, AffineIndex{0, row_strides(args.op.in[0].shape.sizes())}));
  visit_number(args.op.in[0].dtype, [&]<class T>() { accumulate<T>(args, targets, how); });
  return {};
}

Cost scatter_cost(const OpInstance& op) {
  Cost cost = movement_cost(op);
  if (op.attrs.text("reduction") != "none") {
    cost.flops = static_cast<double>(op.in[2].shape.elements());
  }
  return cost;
}

}  // namespace lathe
