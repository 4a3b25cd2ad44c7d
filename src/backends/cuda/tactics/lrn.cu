// SPDX-License-Identifier: Apache-2.0
// lrn: local response normalization, a thread for each result.
#ifdef __CUDACC_RTC__
typedef Compute<X>::type Value;

// n: results, channels before and after; f: alpha / size, beta, bias.
extern "C" __global__ void lrn(const __grid_constant__ Args a) {
  for (i64 i = thread_index(); i < a.n[0]; i += thread_count()) {
    i64 c[RANK], x[RANK];
    unravel_out(i, a, c);
#pragma unroll
    for (int d = 0; d < RANK; ++d) x[d] = c[d];
    const i64 first = c[1] - a.n[1] < 0 ? 0 : c[1] - a.n[1];
    const i64 end = c[1] + a.n[2] + 1 < a.in_size[0][1] ? c[1] + a.n[2] + 1 : a.in_size[0][1];
    Value squares = 0;
    for (i64 j = first; j < end; ++j) {
      x[1] = j;
      const Value v = load_x(a, x);
      squares = multiply_add(v, v, squares);
    }
    const Value base = (Value)a.f[2] + (Value)a.f[0] * squares;
    finish(a, c, load_x(a, c) / f_pow(base, (Value)a.f[1]));
  }
}

#else
#include "backends/cuda/kernel.h"
#include "backends/cuda/kernel_text.h"

namespace lathe::cuda {
namespace {

Support supports(const OpInstance& op, const DeviceInfo&) { return check_generated(op, true); }

Result<std::string> source(const OpInstance& op, const Config&, const DeviceInfo&) {
  return kernel_source(op, "lrn");
}

Result<std::unique_ptr<Prepared> > load(const LoadContext& context) {
  const OpInstance& op = context.op;
  KernelArgs args(op);
  const int64_t size = op.attrs.i("size");
  args.set(0, result_elements(op));
  args.set(1, (size - 1) / 2);
  args.set(2, size / 2);
  args.set_float(0, op.attrs.f("alpha") / static_cast<double>(size));
  args.set_float(1, op.attrs.f("beta"));
  args.set_float(2, op.attrs.f("bias"));
  return prepare_kernel(context, "lrn", std::move(args), Grid::for_items(result_elements(op)));
}

}  // namespace

const Tactic& lrn() {
  static constexpr Tactic tactic{.name = "lrn",
                                 .op = "Lrn",
                                 .doc = "A thread for each result.",
                                 .supports = supports,
                                 .source = source,
                                 .load = load};
  return tactic;
}

}  // namespace lathe::cuda
#endif
