// SPDX-License-Identifier: Apache-2.0
// normalize: layer, instance, group and root-mean-square normalization, a block for each group of
// elements; prologue and epilogue (several outputs) in the same pass. Statistics in F32 (F64 of
// F64) from differences to the mean.
#ifdef __CUDACC_RTC__
typedef Compute<X>::type Value;

// Groups are numbered over the axes that are not normalized. n: groups, members of one; from n[8]
// all sizes with 1 for the axes normalized, from n[16] the sizes of those axes.
inline void member(i64 j, const Args& a, i64* c) {
  i64 m[AXES_COUNT];
  unravel<AXES_COUNT>(j, a.n + 16, m);
  constexpr int axes[] = {AXES};
#pragma unroll
  for (int k = 0; k < AXES_COUNT; ++k) c[axes[k]] = m[k];
}

extern "C" __global__ void normalize(const __grid_constant__ Args a) {
  __shared__ Value scratch[32];
  const auto add = [](Value p, Value q) { return p + q; };
  const i64 members = a.n[1];
  for (i64 group = blockIdx.x; group < a.n[0]; group += gridDim.x) {
    i64 c[RANK];
    unravel<RANK>(group, a.n + 8, c);
    Value mean = 0;
    if (!RMS) {
      for (i64 j = threadIdx.x; j < members; j += blockDim.x) {
        member(j, a, c);
        mean += load_x(a, c);
      }
      mean = across_block(mean, scratch, add) / (Value)members;
    }
    // What the rounding of the mean left over comes out with the squares.
    Value squares = 0, rest = 0;
    for (i64 j = threadIdx.x; j < members; j += blockDim.x) {
      member(j, a, c);
      const Value d = load_x(a, c) - mean;
      squares = multiply_add(d, d, squares);
      if (!RMS) rest += d;
    }
    squares = across_block(squares, scratch, add) / (Value)members;
    if (!RMS) {
      rest = across_block(rest, scratch, add) / (Value)members;
      squares = f_max(squares - rest * rest, (Value)0);
    }
    const Value factor = 1 / f_sqrt(squares + (Value)a.f[0]);
    for (i64 j = threadIdx.x; j < members; j += blockDim.x) {
      member(j, a, c);
      Value v = (load_x(a, c) - mean - rest) * factor;
#if HAS_SCALE
      v *= load<I1>(a.in[1], dot<RANK>(c, a.in_stride[1]));
#endif
#if HAS_BIAS
      v += load<I2>(a.in[2], dot<RANK>(c, a.in_stride[2]));
#endif
      finish(a, c, v);
    }
  }
}

#else
#include <algorithm>

#include "backends/cuda/kernel.h"
#include "backends/cuda/kernel_text.h"
#include "ops/axes.h"

namespace lathe::cuda {
namespace {

std::vector<int> axes_of(const OpInstance& op) {
  return *lathe::axes_of(op.attrs, "axes", anchor_operand(op, 0).rank());
}

bool has(const OpInstance& op, size_t k) {
  return k < anchor_operands(op) && !anchor_operand(op, k).absent();
}

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (axes_of(op).empty()) return Support::no("nothing is normalized together");
  return check_generated(op, true);
}

Result<std::string> source(const OpInstance& op, const Config&, const DeviceInfo&) {
  const std::vector<int> axes = axes_of(op);
  return kernel_source(
      op, "normalize",
      define("AXES", fmt::format("{}", fmt::join(axes, ", "))) + define("AXES_COUNT", axes.size()) +
          define("RMS", op.attrs.text("kind") == "rms" ? 1 : 0) +
          define("HAS_SCALE", has(op, 1) ? 1 : 0) + define("HAS_BIAS", has(op, 2) ? 1 : 0));
}

Result<std::unique_ptr<Prepared> > load(const LoadContext& context) {
  const OpInstance& op = context.op;
  KernelArgs args(op);
  const Shape& x = op.in[0].shape;
  for (size_t k : {size_t{1}, size_t{2}}) {
    if (has(op, k)) args.broadcast_operand(op, k, x);
  }
  std::vector<int64_t> sizes = x.sizes();
  const std::vector<int> axes = axes_of(op);
  int64_t members = 1, groups = 1;
  for (size_t k = 0; k < axes.size(); ++k) {
    int64_t& size = sizes[static_cast<size_t>(axes[k])];
    args.set(16 + k, size);
    members *= size;
    size = 1;
  }
  for (size_t d = 0; d < static_cast<size_t>(kMaxRank); ++d) {
    args.set(8 + d, d < sizes.size() ? sizes[d] : 1);
    groups *= d < sizes.size() ? sizes[d] : 1;
  }
  args.set(0, groups);
  args.set(1, members);
  args.set_float(0, op.attrs.f("epsilon"));
  const auto threads =
      static_cast<unsigned>(std::clamp<int64_t>((members / 4 + 31) / 32 * 32, 32, 256));
  return prepare_kernel(context, "normalize", std::move(args), Grid::for_blocks(groups, threads));
}

}  // namespace

const Tactic& normalize() {
  static constexpr Tactic tactic{
      .name = "normalize",
      .op = "Normalize",
      .doc = "A block for each group of elements, prologue and epilogue.",
      .supports = supports,
      .source = source,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cuda
#endif
