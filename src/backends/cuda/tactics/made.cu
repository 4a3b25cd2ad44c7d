// SPDX-License-Identifier: Apache-2.0
// Results made from little: OneHot from its indices, Iota from nothing.
#ifdef __CUDACC_RTC__
#if ONE_HOT
// The new axis does not move in the indices. n: results.
extern "C" __global__ void one_hot(const __grid_constant__ Args a) {
  for (i64 i = thread_index(); i < a.n[0]; i += thread_count()) {
    i64 c[RANK];
    unravel_out(i, a, c);
    i64 at = 0;
#pragma unroll
    for (int d = 0; d < INDEX_RANK; ++d) at += c[d < AXIS ? d : d + 1] * a.in_stride[0][d];
    const i64 depth = a.out_size[AXIS];
    i64 index = (i64)load<I0>(a.in[0], at);
    if (index < 0) index += depth;
    finish(a, c, load<I1>(a.in[1], index == c[AXIS] ? a.in_stride[1][0] : 0));
  }
}
#else
// n: results, start, step; f: start, step.
extern "C" __global__ void iota(const __grid_constant__ Args a) {
  for (i64 i = thread_index(); i < a.n[0]; i += thread_count()) {
    i64 c[RANK] = {i};
#if FLOATS
    finish(a, c, a.f[0] + (double)i * a.f[1]);
#else
    finish(a, c, (u64)a.n[1] + (u64)i * (u64)a.n[2]);
#endif
  }
}
#endif

#else
#include "backends/cuda/kernel.h"
#include "backends/cuda/kernel_text.h"

namespace lathe::cuda {
namespace {

Support supports(const OpInstance& op, const DeviceInfo&) { return check_generated(op, false); }

// A u64 index of 2^63 or more would turn negative.
Support supports_one_hot(const OpInstance& op, const DeviceInfo&) {
  if (op.in[0].dtype == DType::U64) return Support::no("indices of u64");
  return check_generated(op, false);
}

Result<std::string> source_one_hot(const OpInstance& op, const Config&, const DeviceInfo&) {
  const int rank = op.in[0].rank();
  const int axis = LATHE_TRY(normalize_axis(op.attrs.i("axis"), rank + 1));
  return kernel_source(op, "made",
                       define("ONE_HOT", 1) + define("AXIS", axis) + define("INDEX_RANK", rank));
}

Result<std::unique_ptr<Prepared> > load_one_hot(const LoadContext& context) {
  KernelArgs args(context.op);
  args.set(0, result_elements(context.op));
  return prepare_kernel(context, "one_hot", std::move(args),
                        Grid::for_items(result_elements(context.op)));
}

Result<std::string> source_iota(const OpInstance& op, const Config&, const DeviceInfo&) {
  return kernel_source(
      op, "made",
      define("ONE_HOT", 0) + define("FLOATS", is_float(anchor_result(op, 0).dtype) ? 1 : 0));
}

Result<std::unique_ptr<Prepared> > load_iota(const LoadContext& context) {
  const OpInstance& op = context.op;
  KernelArgs args(op);
  const HostTensor &start = op.attrs.tensor("start"), &step = op.attrs.tensor("step");
  args.set(0, result_elements(op));
  if (is_float(start.dtype())) {
    args.set_float(0, start.get_f64(0));
    args.set_float(1, step.get_f64(0));
  } else {
    args.set(1, start.get_i64(0));
    args.set(2, step.get_i64(0));
  }
  return prepare_kernel(context, "iota", std::move(args), Grid::for_items(result_elements(op)));
}

}  // namespace

const Tactic& one_hot() {
  static constexpr Tactic tactic{.name = "one_hot",
                                 .op = "OneHot",
                                 .doc = "A thread for each result.",
                                 .supports = supports_one_hot,
                                 .source = source_one_hot,
                                 .load = load_one_hot};
  return tactic;
}
const Tactic& iota() {
  static constexpr Tactic tactic{.name = "iota",
                                 .op = "Iota",
                                 .doc = "A thread for each result.",
                                 .supports = supports,
                                 .source = source_iota,
                                 .load = load_iota};
  return tactic;
}

}  // namespace lathe::cuda
#endif
