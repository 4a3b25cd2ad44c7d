// SPDX-License-Identifier: Apache-2.0
// softmax: a warp for each short row, a block for each long one, along any axis; prologue and
// epilogue in the same pass. Statistics in F32 (F64 of F64).
#ifdef __CUDACC_RTC__
typedef Compute<X>::type Value;

// Rows are numbered over all axes but AXIS. n: rows, length of a row.
inline void row_start(i64 row, const Args& a, i64* c) {
  i64 size[RANK];
#pragma unroll
  for (int d = 0; d < RANK; ++d) size[d] = d == AXIS ? 1 : a.out_size[d];
  unravel<RANK>(row, size, c);
}

template <class Across>
inline void softmax_row(const Args& a, i64 row, int lane, int lanes, Across across) {
  i64 c[RANK];
  row_start(row, a, c);
  Value most = -infinity<Value>();
  for (i64 j = lane; j < a.n[1]; j += lanes) {
    c[AXIS] = j;
    most = f_max(most, load_x(a, c));
  }
  most = across(most, [](Value p, Value q) { return f_max(p, q); });
  Value sum = 0;
  for (i64 j = lane; j < a.n[1]; j += lanes) {
    c[AXIS] = j;
    sum += f_exp(load_x(a, c) - most);
  }
  sum = across(sum, [](Value p, Value q) { return p + q; });
  const Value log_sum = LOG ? f_log(sum) : 0;
  for (i64 j = lane; j < a.n[1]; j += lanes) {
    c[AXIS] = j;
    const Value below = load_x(a, c) - most;
    finish(a, c, LOG ? below - log_sum : f_exp(below) / sum);
  }
}

extern "C" __global__ void softmax_warp(const __grid_constant__ Args a) {
  const i64 warps = thread_count() / 32;
  for (i64 row = thread_index() / 32; row < a.n[0]; row += warps) {
    softmax_row(a, row, threadIdx.x % 32, 32,
                [](Value v, auto combine) { return across_warp(v, combine); });
  }
}

extern "C" __global__ void softmax_block(const __grid_constant__ Args a) {
  __shared__ Value scratch[32];
  for (i64 row = blockIdx.x; row < a.n[0]; row += gridDim.x) {
    softmax_row(a, row, threadIdx.x, blockDim.x,
                [&](Value v, auto combine) { return across_block(v, scratch, combine); });
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
  return kernel_source(op, "softmax",
                       define("AXIS", axis_of(op)) + define("LOG", op.attrs.i("log")));
}

Result<std::unique_ptr<Prepared> > load(const LoadContext& context) {
  constexpr int64_t kShort = 1024;  // elements of a row that a warp walks well
  const OpInstance& op = context.op;
  KernelArgs args(op);
  const int64_t length = op.in[0].shape[axis_of(op)].value();
  const int64_t rows = length == 0 ? 0 : result_elements(op) / length;
  args.set(0, rows);
  args.set(1, length);
  const bool warp = length <= kShort;
  return prepare_kernel(context, warp ? "softmax_warp" : "softmax_block", std::move(args),
                        warp ? Grid::for_items(rows * 32, 128) : Grid::for_blocks(rows, 256));
}

}  // namespace

const Tactic& softmax() {
  static constexpr Tactic tactic{
      .name = "softmax",
      .op = "Softmax",
      .doc = "A warp or a block for each row, along any axis, prologue and epilogue.",
      .supports = supports,
      .source = source,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cuda
#endif
