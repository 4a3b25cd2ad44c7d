// SPDX-License-Identifier: Apache-2.0
// cum_sum: running sums, a warp for each row, 32 elements at a time.
#ifdef __CUDACC_RTC__
// n: rows, length of a row.
extern "C" __global__ void cum_sum(const __grid_constant__ Args a) {
  const int lane = threadIdx.x % 32;
  for (i64 row = thread_index() / 32; row < a.n[0]; row += thread_count() / 32) {
    i64 size[RANK], c[RANK];
#pragma unroll
    for (int d = 0; d < RANK; ++d) size[d] = d == AXIS ? 1 : a.out_size[d];
    unravel<RANK>(row, size, c);
    Acc before = 0;
    for (i64 from = 0; from < a.n[1]; from += 32) {
      const i64 j = from + lane;
      c[AXIS] = REVERSE ? a.n[1] - 1 - j : j;
      Acc sum = j < a.n[1] ? (Acc)load_x(a, c) : 0;
#pragma unroll
      for (int step = 1; step < 32; step *= 2) {
        const Acc other = __shfl_up_sync(0xffffffffu, sum, step);
        if (lane >= step) sum += other;
      }
      const Acc shifted = __shfl_up_sync(0xffffffffu, sum, 1);
      const Acc mine = EXCLUSIVE ? (lane == 0 ? 0 : shifted) : sum;
      if (j < a.n[1]) finish(a, c, before + mine);
      before += __shfl_sync(0xffffffffu, sum, 31);
    }
  }
}

#else
#include "backends/cuda/kernel.h"
#include "backends/cuda/kernel_text.h"

namespace lathe::cuda {
namespace {

Support supports(const OpInstance& op, const DeviceInfo&) { return check_generated(op, true); }

int axis_of(const OpInstance& op) {
  return *normalize_axis(op.attrs.i("axis"), anchor_operand(op, 0).rank());
}

Result<std::string> source(const OpInstance& op, const Config&, const DeviceInfo&) {
  const DType t = anchor_operand(op, 0).dtype;
  return kernel_source(op, "cum_sum",
                       define("AXIS", axis_of(op)) + define("EXCLUSIVE", op.attrs.i("exclusive")) +
                           define("REVERSE", op.attrs.i("reverse")) +
                           define("Acc", !is_float(t)      ? "u64"
                                         : t == DType::F64 ? "double"
                                                           : "float"));
}

Result<std::unique_ptr<Prepared> > load(const LoadContext& context) {
  const OpInstance& op = context.op;
  KernelArgs args(op);
  const int64_t length = op.in[0].shape[axis_of(op)].value();
  const int64_t rows = length == 0 ? 0 : result_elements(op) / length;
  args.set(0, rows);
  args.set(1, length);
  return prepare_kernel(context, "cum_sum", std::move(args), Grid::for_items(rows * 32, 128));
}

}  // namespace

const Tactic& cum_sum() {
  static constexpr Tactic tactic{.name = "cum_sum",
                                 .op = "CumSum",
                                 .doc = "A warp for each row.",
                                 .supports = supports,
                                 .source = source,
                                 .load = load};
  return tactic;
}

}  // namespace lathe::cuda
#endif
