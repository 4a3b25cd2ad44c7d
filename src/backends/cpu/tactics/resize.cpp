// SPDX-License-Identifier: Apache-2.0
// resize: nearest neighbours are looked up; linear and cubic go axis by axis, each result row a
// weighted sum of input rows.
#include "ops/resize.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "backends/cpu/simd/copy_plan.h"
#include "backends/cpu/simd/expr_kernel.h"
#include "backends/cpu/simd/indexed_copy.h"
#include "backends/cpu/simd/row_kernels.h"

namespace lathe::cpu {
namespace {

ResizeAxis table_of(const OpInstance& op, int axis) {
  return resize_axis(op, axis, 0, op.out[0].shape[axis].value());
}

class PreparedNearest : public Prepared {
 public:
  explicit PreparedNearest(const OpInstance& op) {
    const std::vector<int64_t> to = result_strides(op, 0), from = operand_strides(op, 0);
    std::vector<IndexedCopy::Axis> axes;
    for (int d = 0; d < op.out[0].rank(); ++d) {
      const auto k = static_cast<size_t>(d);
      IndexedCopy::Axis a{op.out[0].shape[d].value(), to[k], from[k], {}, false};
      const ResizeAxis table = table_of(op, d);
      for (size_t o = 0; !table.identity && o < table.index.size(); ++o) {
        a.table.push_back(table.index[o] * from[k]);
      }
      axes.push_back(std::move(a));
    }
    copy_ = IndexedCopy(std::move(axes), bits(op.in[0].dtype) / 8);
  }
  Status launch(const Buffers& at, Stream&) const override {
    copy_.run(at.out[0], at.in[0]);
    return {};
  }

 private:
  IndexedCopy copy_;
};

// One axis: x[outer, in, inner] becomes y[outer, out, inner].
struct Pass {
  int64_t outer, in, out, inner;
  size_t taps;
  std::vector<int64_t> index;  // out * taps
  std::vector<float> weight;

  Pass(const ResizeAxis& table, int64_t before, int64_t size, int64_t after)
      : outer(before),
        in(size),
        out(static_cast<int64_t>(table.outside.size())),
        inner(after),
        taps(static_cast<size_t>(table.taps)),
        index(table.index),
        weight(table.weight.begin(), table.weight.end()) {
    // A tap of weight 0 reads nothing of its own: 0 times infinity would be NaN.
    for (size_t o = 0; o < index.size(); o += taps) {
      size_t heaviest = o;
      for (size_t t = o; t < o + taps; ++t) {
        if (std::abs(weight[t]) > std::abs(weight[heaviest])) heaviest = t;
      }
      for (size_t t = o; t < o + taps; ++t) {
        if (weight[t] == 0) index[t] = index[heaviest];
      }
    }
  }

  void run(const float* x, float* y) const {
    const int64_t least = std::max<int64_t>(1, grain(2.0 * static_cast<double>(taps)) / inner);
    parallel_for(outer * out, least, [&](int64_t begin, int64_t end) {
      if (inner == 1) return single(x, y, begin, end);
      for (int64_t i = begin; i < end; ++i) row(x + i / out * in * inner, i % out, y + i * inner);
    });
  }

 private:
  void row(const float* x, int64_t o, float* y) const {
    constexpr size_t kPart = 16;
    const RowKernels& k = row_kernels();
    const size_t first = static_cast<size_t>(o) * taps;
    std::array<const float*, kPart> rows;
    if (taps <= kPart) {
      for (size_t t = 0; t < taps; ++t) rows[t] = x + index[first + t] * inner;
      return k.weighted(rows.data(), &weight[first], taps, y, static_cast<size_t>(inner));
    }
    for (int64_t c = 0; c < inner; ++c) {
      float sum = 0;
      for (size_t t = first; t < first + taps; ++t) sum += weight[t] * x[index[t] * inner + c];
      y[c] = sum;
    }
  }
  // Elements [begin, end) of all rows, `inner` being 1.
  void single(const float* x, float* y, int64_t begin, int64_t end) const {
    while (begin < end) {
      const int64_t r = begin / out, first = begin % out, last = std::min(out, first + end - begin);
      const float* from = x + r * in;
      float* to = y + r * out;
      if (taps == 2) {
        for (int64_t o = first; o < last; ++o) {
          const auto t = static_cast<size_t>(2 * o);
          to[o] = weight[t] * from[index[t]] + weight[t + 1] * from[index[t + 1]];
        }
      } else {
        for (int64_t o = first; o < last; ++o) to[o] = one(from, static_cast<size_t>(o) * taps);
      }
      begin += last - first;
    }
  }
  float one(const float* from, size_t first) const {
    float sum = 0;
    for (size_t t = first; t < first + taps; ++t) sum += weight[t] * from[index[t]];
    return sum;
  }
};

ExprKernel from_type(DType type) {
  Expr e({type});
  e.output(e.cast(e.input(0), DType::F32));
  return ExprKernel(e);
}
ExprKernel to_type(DType type) {
  Expr e({DType::F32});
  const int x = e.input(0);
  e.output(is_float(type) ? e.cast(x, type) : e.cast(e.call(ScalarOp::Round, {x}), type, true));
  return ExprKernel(e);
}

class PreparedWeighted : public Prepared {
 public:
  explicit PreparedWeighted(const OpInstance& op) : type_(op.in[0].dtype) {
    // Axes in the order of memory.
    std::vector<int> order;
    for (int d = 0; d < op.out[0].rank(); ++d) order.push_back(d);
    if (op.in[0].layout == Layout::ChannelsLast)
      std::rotate(order.begin() + 1, order.begin() + 2, order.end());
    std::vector<int64_t> sizes;
    for (int d : order) sizes.push_back(op.in[0].shape[d].value());
    for (size_t k = 0; k < order.size(); ++k) {
      const ResizeAxis table = table_of(op, order[k]);
      if (table.identity) continue;
      auto product = [&](size_t b, size_t e) {
        int64_t p = 1;
        for (size_t d = b; d < e; ++d) p *= sizes[d];
        return p;
      };
      passes_.emplace_back(table, product(0, k), sizes[k], product(k + 1, sizes.size()));
      sizes[k] = passes_.back().out;
    }
    in_count_ = op.in[0].shape.elements();
    out_count_ = op.out[0].shape.elements();
    most_ = std::max(in_count_, out_count_);
    for (const Pass& p : passes_) most_ = std::max(most_, p.outer * p.out * p.inner);
    workspace_bytes = static_cast<size_t>(most_) * 2 * sizeof(float);
    if (type_ != DType::F32) enter_ = from_type(type_), leave_ = to_type(type_);
  }

  Status launch(const Buffers& at, Stream&) const override {
    if (out_count_ == 0) return {};
    float* const spare[] = {static_cast<float*>(at.workspace),
                            static_cast<float*>(at.workspace) + most_};
    int next = 0;
    const auto* x = static_cast<const float*>(at.in[0]);
    if (!enter_.empty()) {
      convert(enter_, at.in[0], spare[0], in_count_);
      x = spare[0], next = 1;
    }
    for (size_t k = 0; k < passes_.size(); ++k) {
      const bool last = k + 1 == passes_.size() && leave_.empty();
      float* y = last ? static_cast<float*>(at.out[0]) : spare[next];
      passes_[k].run(x, y);
      x = y, next = 1 - next;
    }
    if (!leave_.empty()) {
      convert(leave_, const_cast<float*>(x), at.out[0], out_count_);
    } else if (passes_.empty()) {
      std::copy_n(x, out_count_, static_cast<float*>(at.out[0]));
    }
    return {};
  }

 private:
  static void convert(const ExprKernel& kernel, void* from, void* to, int64_t n) {
    const Rows in{from, 1, 0}, out{to, 1, 0};
    kernel.run({&in, 1}, {&out, 1}, 1, n);
  }

  DType type_;
  std::vector<Pass> passes_;
  int64_t in_count_ = 0, out_count_ = 0, most_ = 0;
  ExprKernel enter_, leave_;
};

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (Support s = movable(op); !s) return s;
  if (op.in[0].shape.elements() == 0) return Support::no("nothing to sample");
  if (op.attrs.text("coordinates") == "tf_crop_and_resize") {
    return Support::no("regions with extrapolation");
  }
  if (op.attrs.text("mode") == "nearest") return Support::yes();
  if (op.in[0].layout != op.out[0].layout || op.fusion.sliced()) {
    return Support::no("weighted sampling of dense tensors in one layout only");
  }
  const DType t = op.in[0].dtype;
  const bool fits = t != DType::F64 && (is_float(t) || bits(t) <= 16);
  return fits ? Support::yes() : Support::no("f32 has too few digits");
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  const bool nearest = context.op.attrs.text("mode") == "nearest";
  return nearest ? std::unique_ptr<Prepared>(std::make_unique<PreparedNearest>(context.op))
                 : std::make_unique<PreparedWeighted>(context.op);
}

}  // namespace

const Tactic& resize() {
  static constexpr Tactic tactic{
      .name = "resize",
      .op = "Resize",
      .doc = "Nearest neighbours looked up; linear and cubic axis by axis over rows.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
