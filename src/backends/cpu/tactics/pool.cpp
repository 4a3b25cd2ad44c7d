// SPDX-License-Identifier: Apache-2.0
// pool: maxima and means of windows. In NHWC and nChw16c a vector holds channels; in row-major it
// has one element, which is slow and still far from the reference.
#include <algorithm>

#include "backends/cpu/dnnl/onednn_prepared.h"
#include "backends/cpu/simd/pool_kernels.h"
#include "base/parallel.h"
#include "ops/window.h"

namespace lathe::cpu {
namespace {

constexpr int kMaxSpatial = 3;

// One tensor as [outer, spatial..., vector]: strides in elements.
struct Plane {
  int64_t outer_n = 1, outer_c = 1;  // counts: batches, and channels or blocks of 16
  int64_t stride_n = 0, stride_c = 0;
  int64_t size[kMaxSpatial] = {1, 1, 1}, stride[kMaxSpatial] = {};
  int64_t vector = 1;
};

Plane plane_of(const TensorType& type, const std::vector<int64_t>& strides) {
  const std::vector<int64_t> sizes = type.shape.sizes();
  const size_t spatial = sizes.size() - 2;
  Plane p;
  p.outer_n = sizes[0];
  for (size_t d = 0; d < spatial; ++d) p.size[kMaxSpatial - spatial + d] = sizes[2 + d];
  if (type.layout == Layout::Blocked16) {
    p.vector = 16;
    p.outer_c = (sizes[1] + 15) / 16;
    int64_t step = 16;
    for (int d = kMaxSpatial; d-- > 0;) {
      p.stride[d] = step;
      step *= p.size[d];
    }
    p.stride_c = step;
    p.stride_n = step * p.outer_c;
    return p;
  }
  for (size_t d = 0; d < spatial; ++d) p.stride[kMaxSpatial - spatial + d] = strides[2 + d];
  p.stride_n = strides[0];
  if (type.layout == Layout::ChannelsLast) {
    p.vector = sizes[1];
  } else {
    p.outer_c = sizes[1];
    p.stride_c = strides[1];
  }
  return p;
}

class PreparedPool : public Prepared {
 public:
  static Result<std::unique_ptr<Prepared>> make(const OpInstance& op) {
    auto p = std::make_unique<PreparedPool>();
    const Window w = LATHE_TRY(window_of(op.attrs, op.attrs.ints("kernel")));
    const bool blocked = op.in[0].layout == Layout::Blocked16;
    p->x_ = plane_of(op.in[0], blocked ? std::vector<int64_t>{} : operand_strides(op, 0));
    p->y_ = plane_of(op.out[0], blocked ? std::vector<int64_t>{} : result_strides(op, 0));
    p->bytes_ = bits(op.in[0].dtype) / 8;
    p->max_ = op.attrs.text("kind") == "max";
    p->kernel_ = p->max_ ? max_pool_kernel(op.in[0].dtype) : mean_pool_kernel(op.in[0].dtype);
    p->count_pad_ = op.attrs.i("count_include_pad") != 0;
    const int missing = kMaxSpatial - w.rank();
    for (int d = 0; d < w.rank(); ++d) {
      const auto k = static_cast<size_t>(d);
      Axis& axis = p->axes_[missing + d];
      axis = {w.kernel[k], w.strides[k], w.dilations[k], w.begin[k], w.end[k]};
    }
    return std::unique_ptr<Prepared>(std::move(p));
  }

  Status launch(const Buffers& at, Stream&) const override {
    const int64_t lines = y_.outer_n * y_.outer_c * y_.size[0] * y_.size[1];
    const int64_t taps = axes_[0].kernel * axes_[1].kernel * axes_[2].kernel;
    const int64_t work = std::max<int64_t>(1, y_.size[2] * taps * y_.vector);
    parallel_for(lines, std::max<int64_t>(1, kGrain / work), [&](int64_t begin, int64_t end) {
      std::vector<int64_t> offsets(static_cast<size_t>(taps));
      for (int64_t line = begin; line < end; ++line) run_line(at, line, offsets.data());
    });
    return {};
  }

 private:
  static constexpr int64_t kGrain = 32768;  // elements read by a part: about 10 us
  struct Axis {
    int64_t kernel = 1, stride = 1, dilation = 1, begin = 0, end = 0;
  };
  // Taps of one axis inside the input, and how many lie inside input or padding.
  struct Range {
    int64_t first, last, padded, origin;
  };
  Range range(int d, int64_t o) const {
    const Axis& a = axes_[d];
    const int64_t origin = o * a.stride - a.begin, size = x_.size[d];
    auto below = [&](int64_t limit) {  // taps before this input position
      if (limit <= origin) return int64_t{0};
      return std::min(a.kernel, (limit - origin - 1) / a.dilation + 1);
    };
    return {below(0), below(size), below(size + a.end), origin};
  }

  void run_line(const Buffers& at, int64_t line, int64_t* offsets) const {
    const int64_t o1 = line % y_.size[1], o0 = line / y_.size[1] % y_.size[0];
    const int64_t outer = line / (y_.size[1] * y_.size[0]);
    const int64_t c = outer % y_.outer_c, n = outer / y_.outer_c;
    const auto* x =
        static_cast<const std::byte*>(at.in[0]) + (n * x_.stride_n + c * x_.stride_c) * bytes_;
    auto* y = static_cast<std::byte*>(at.out[0]) +
              (n * y_.stride_n + c * y_.stride_c + o0 * y_.stride[0] + o1 * y_.stride[1]) * bytes_;
    const Range r0 = range(0, o0), r1 = range(1, o1);
    for (int64_t o2 = 0; o2 < y_.size[2]; ++o2) {
      const Range r2 = range(2, o2);
      int64_t taps = 0;
      for (int64_t k0 = r0.first; k0 < r0.last; ++k0) {
        for (int64_t k1 = r1.first; k1 < r1.last; ++k1) {
          for (int64_t k2 = r2.first; k2 < r2.last; ++k2) {
            offsets[taps++] = place(0, r0, k0) + place(1, r1, k1) + place(2, r2, k2);
          }
        }
      }
      const int64_t count = count_pad_ ? r0.padded * r1.padded * r2.padded : taps;
      const float scale = max_ || count == 0 ? 1.0f : 1.0f / static_cast<float>(count);
      kernel_(x, offsets, taps, y_.vector, scale, y + o2 * y_.stride[2] * bytes_);
    }
  }
  int64_t place(int d, const Range& r, int64_t tap) const {
    return (r.origin + tap * axes_[d].dilation) * x_.stride[d];
  }

  Plane x_, y_;
  Axis axes_[kMaxSpatial];
  PoolKernel kernel_ = nullptr;
  int64_t bytes_ = 4;
  bool max_ = false, count_pad_ = false;
};

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (op.attrs.text("kind") == "lp") return Support::no("p-norms are not done");
  if (op.in[0].rank() > 2 + kMaxSpatial) return Support::no("more than three spatial dimensions");
  if (max_pool_kernel(op.in[0].dtype) == nullptr) return Support::no("only f32 and bf16");
  if (!op.fusion.empty()) return Support::no("no expressions around a pool");
  if (op.in[0].layout != op.out[0].layout) return Support::no("the layouts differ");
  if (op.in[0].layout == Layout::Blocked16 && op.fusion.sliced()) {
    return Support::no("a slice of a blocked tensor");
  }
  return Support::yes();
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return PreparedPool::make(context.op);
}

}  // namespace

const Tactic& pool() {
  static constexpr Tactic tactic{
      .name = "pool",
      .op = "Pool",
      .doc = "Maxima and means of windows in vectors of channels.",
      .supports = supports,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
