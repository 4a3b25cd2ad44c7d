// SPDX-License-Identifier: Apache-2.0
// Sliding windows by direct loops, a thread for each result, any rank, layout and group: Pool, and
// the fallbacks of Conv and Deconv where no library takes them. Slow and obvious.
#ifdef __CUDACC_RTC__
typedef Compute<X>::type Value;

constexpr int kStrides[] = {STRIDES}, kDilations[] = {DILATIONS}, kBegin[] = {BEGIN},
              kEnd[] = {END};

// Whether kernel position k of the window at c lies inside x; then x has its coordinates.
inline bool tap(const Args& a, const i64* c, const i64* k, i64* x) {
  bool inside = true;
#pragma unroll
  for (int d = 0; d < SPACE; ++d) {
#if TRANSPOSED
    const i64 place = c[2 + d] + kBegin[d] - k[d] * kDilations[d];
    const i64 i = place / kStrides[d];
    inside = inside && place >= 0 && place % kStrides[d] == 0 && i < a.in_size[0][2 + d];
#else
    const i64 i = c[2 + d] * kStrides[d] - kBegin[d] + k[d] * kDilations[d];
    inside = inside && i >= 0 && i < a.in_size[0][2 + d];
#endif
    x[2 + d] = i;
  }
  return inside;
}

#if POOL
enum { MAXIMUM, AVERAGE, LP };
// from n[0] the sizes of the kernel; n[8]: positions of the kernel.
inline Acc pooled(const Args& a, const i64* c) {
  i64 x[RANK], count = 0;
  x[0] = c[0];
  x[1] = c[1];
  Acc acc = KIND == MAXIMUM ? LOWEST : 0;
  for (i64 j = 0; j < a.n[8]; ++j) {
    i64 k[SPACE];
    unravel<SPACE>(j, a.n, k);
    if (!tap(a, c, k, x)) continue;
    const Acc v = load_x(a, x);
    ++count;
#if KIND == 0
    acc = v != v || acc < v ? v : acc;
#elif KIND == 1
    acc += v;
#else
    acc += POWER == 2 ? v * v : f_pow(f_abs(v), (Acc)POWER);
#endif
  }
#if KIND == 1
  if (INCLUDE_PAD) {
    count = 1;
#pragma unroll
    for (int d = 0; d < SPACE; ++d) {
      const i64 room = a.in_size[0][2 + d] + kBegin[d] + kEnd[d] - c[2 + d] * kStrides[d];
      const i64 fit = (room - 1) / kDilations[d] + 1;
      count *= room <= 0 ? 0 : fit < a.n[d] ? fit : a.n[d];
    }
  }
  return count == 0 ? 0 : acc / (Acc)count;
#elif KIND == 2
  return POWER == 2 ? f_sqrt(acc) : f_pow(acc, 1 / (Acc)POWER);
#endif
  return acc;
}

extern "C" __global__ void window(const __grid_constant__ Args a) {
  for (i64 i = thread_index(); i < a.n[31]; i += thread_count()) {
    i64 c[RANK];
    unravel_out(i, a, c);
    finish(a, c, pooled(a, c));
  }
}
#else
// n[8]: positions of the kernel; n[9]: groups.
extern "C" __global__ void window(const __grid_constant__ Args a) {
  const i64 in_channels = a.in_size[0][1] / a.n[9], out_channels = a.out_size[1] / a.n[9];
  for (i64 i = thread_index(); i < a.n[31]; i += thread_count()) {
    i64 c[RANK], x[RANK], w[RANK];
    unravel_out(i, a, c);
    x[0] = c[0];
    const i64 group = c[1] / out_channels;
    Acc sum = 0;
#if HAS_BIAS
    sum = load<I2>(a.in[2], c[1] * a.in_stride[2][0]);
#endif
    for (i64 j = 0; j < a.n[8]; ++j) {
      unravel<SPACE>(j, a.in_size[1] + 2, w + 2);
      if (!tap(a, c, w + 2, x)) continue;
      for (i64 m = 0; m < in_channels; ++m) {
        x[1] = group * in_channels + m;
        w[0] = TRANSPOSED ? x[1] : c[1];
        w[1] = TRANSPOSED ? c[1] - group * out_channels : m;
        sum = multiply_add((Acc)load<I0>(a.in[0], dot<RANK>(x, a.in_stride[0])),
                           (Acc)load<I1>(a.in[1], dot<RANK>(w, a.in_stride[1])), sum);
      }
    }
    finish(a, c, sum);
  }
}
#endif

#else
#include <algorithm>
#include <array>

#include "backends/cuda/expr_text.h"
#include "backends/cuda/kernel.h"
#include "backends/cuda/kernel_text.h"

namespace lathe::cuda {
namespace {

constexpr std::array<std::string_view, 3> kPools = {"max", "average", "lp"};

std::string_view accumulator(DType t) {
  if (!is_float(t)) return compute_name(t);
  return t == DType::F64 ? "double" : "float";
}

std::string window_defines(const OpInstance& op) {
  const Ints& pads = op.attrs.ints("pads");
  const auto middle = pads.begin() + static_cast<std::ptrdiff_t>(pads.size() / 2);
  return define("SPACE", op.out[0].rank() - 2) +
         define("STRIDES", fmt::format("{}", fmt::join(op.attrs.ints("strides"), ", "))) +
         define("DILATIONS", fmt::format("{}", fmt::join(op.attrs.ints("dilations"), ", "))) +
         define("BEGIN", fmt::format("{}", fmt::join(pads.begin(), middle, ", "))) +
         define("END", fmt::format("{}", fmt::join(middle, pads.end(), ", "))) +
         define("Acc", accumulator(anchor_operand(op, 0).dtype));
}

Support supports_pool(const OpInstance& op, const DeviceInfo&) {
  return check_generated(op, false);
}

Result<std::string> source_pool(const OpInstance& op, const Config&, const DeviceInfo&) {
  const DType t = anchor_operand(op, 0).dtype;
  const auto kind = std::find(kPools.begin(), kPools.end(), op.attrs.text("kind")) - kPools.begin();
  const std::string low = is_float(t) ? fmt::format("(-infinity<{}>())", accumulator(t))
                                      : fmt::format("Limits<{}>::lowest()", accumulator(t));
  return kernel_source(op, "window",
                       window_defines(op) + define("POOL", 1) + define("TRANSPOSED", 0) +
                           define("KIND", kind) + define("LOWEST", low) +
                           define("POWER", op.attrs.i("p")) +
                           define("INCLUDE_PAD", op.attrs.i("count_include_pad")));
}

Result<std::unique_ptr<Prepared> > load_pool(const LoadContext& context) {
  const OpInstance& op = context.op;
  KernelArgs args(op);
  const Ints& kernel = op.attrs.ints("kernel");
  int64_t positions = 1;
  for (size_t d = 0; d < kernel.size(); ++d) {
    args.set(d, kernel[d]);
    positions *= kernel[d];
  }
  args.set(8, positions);
  args.set(31, result_elements(op));
  return prepare_kernel(context, "window", std::move(args),
                        Grid::for_items(result_elements(op), 128));
}

// Without expressions: a library's product and a pointwise kernel behind it are faster than these
// loops with an epilogue.
Support supports_conv(const OpInstance& op, const DeviceInfo&) {
  if (!op.fusion.empty()) return Support::no("the fallback fuses nothing");
  return check_generated(op, false);
}

Result<std::string> source_conv(const OpInstance& op, const Config&, const DeviceInfo&) {
  const bool bias = anchor_operands(op) > 2 && !op.in[2].absent();
  return kernel_source(op, "window",
                       window_defines(op) + define("POOL", 0) + define("HAS_BIAS", bias ? 1 : 0) +
                           define("TRANSPOSED", op.def->is("Deconv") ? 1 : 0));
}

Result<std::unique_ptr<Prepared> > load_conv(const LoadContext& context) {
  const OpInstance& op = context.op;
  KernelArgs args(op);
  int64_t positions = 1;
  for (int d = 2; d < op.in[1].rank(); ++d) positions *= op.in[1].shape[d].value();
  args.set(8, positions);
  args.set(9, op.attrs.i("group"));
  args.set(31, result_elements(op));
  return prepare_kernel(context, "window", std::move(args),
                        Grid::for_items(result_elements(op), 128));
}

// Loops reach a few hundredths of the peak.
double expect_conv(const OpInstance& op, const Config&, const DeviceInfo& device) {
  return model_seconds(op, device) + cost_of(op).flops / (0.03 * device.flops_f32);
}

}  // namespace

const Tactic& pool_direct() {
  static constexpr Tactic tactic{.name = "pool_direct",
                                 .op = "Pool",
                                 .doc = "A thread for each result, any window, any layout.",
                                 .supports = supports_pool,
                                 .source = source_pool,
                                 .load = load_pool};
  return tactic;
}
const Tactic& conv_direct() {
  static constexpr Tactic tactic{.name = "conv_direct",
                                 .op = "Conv",
                                 .doc = "A thread for each result: any rank, group and type, slow.",
                                 .supports = supports_conv,
                                 .source = source_conv,
                                 .load = load_conv,
                                 .expect = expect_conv};
  return tactic;
}
const Tactic& deconv_direct() {
  static constexpr Tactic tactic{.name = "deconv_direct",
                                 .op = "Deconv",
                                 .doc = "A thread for each result: any rank, group and type, slow.",
                                 .supports = supports_conv,
                                 .source = source_conv,
                                 .load = load_conv,
                                 .expect = expect_conv};
  return tactic;
}

}  // namespace lathe::cuda
#endif
