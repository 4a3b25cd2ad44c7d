// SPDX-License-Identifier: Apache-2.0
// arg_reduce: where the largest or smallest element of an axis stands; a block for each result.
#ifdef __CUDACC_RTC__
typedef Compute<X>::type Value;

// Whether a at i comes before b at j: NaN is ahead of all numbers, equals go by place.
inline bool first(Value a, i64 i, Value b, i64 j) {
  const bool a_nan = a != a, b_nan = b != b;
  const bool ahead = a_nan ? !b_nan : !b_nan && (LARGEST ? a > b : a < b);
  const bool behind = b_nan ? !a_nan : !a_nan && (LARGEST ? b > a : b < a);
  return ahead || (!behind && (LAST ? i > j : i < j));
}

// n: size of the axis, results.
extern "C" __global__ void arg_reduce(const __grid_constant__ Args a) {
  __shared__ Value values[THREADS];
  __shared__ i64 places[THREADS];
  for (i64 r = blockIdx.x; r < a.n[1]; r += gridDim.x) {
    i64 c[RANK], x[RANK];
    unravel_out(r, a, c);
    for (int d = 0, from = 0; d < RANK; ++d) {
      if (d == AXIS && !KEEPDIMS) {
        x[d] = 0;
      } else {
        x[d] = c[from++];
      }
    }
    x[AXIS] = threadIdx.x < a.n[0] ? threadIdx.x : 0;
    Value best = load_x(a, x);
    i64 place = x[AXIS];
    for (i64 j = place + THREADS; j < a.n[0]; j += THREADS) {
      x[AXIS] = j;
      const Value v = load_x(a, x);
      if (!first(v, j, best, place)) continue;
      best = v;
      place = j;
    }
    __syncthreads();
    values[threadIdx.x] = best;
    places[threadIdx.x] = place;
    for (int half = THREADS / 2; half > 0; half /= 2) {
      __syncthreads();
      const int other = threadIdx.x + half;
      if (threadIdx.x >= half) continue;
      if (first(values[other], places[other], values[threadIdx.x], places[threadIdx.x])) {
        values[threadIdx.x] = values[other];
        places[threadIdx.x] = places[other];
      }
    }
    if (threadIdx.x == 0) finish(a, c, places[0]);
  }
}

#else
#include "backends/cuda/kernel.h"
#include "backends/cuda/kernel_text.h"

namespace lathe::cuda {
namespace {

constexpr unsigned kThreads = 128;

Support supports(const OpInstance& op, const DeviceInfo&) { return check_generated(op, true); }

int axis_of(const OpInstance& op) {
  return *normalize_axis(op.attrs.i("axis"), anchor_operand(op, 0).rank());
}

Result<std::string> source(const OpInstance& op, const Config&, const DeviceInfo&) {
  return kernel_source(op, "arg_reduce",
                       define("AXIS", axis_of(op)) + define("KEEPDIMS", op.attrs.i("keepdims")) +
                           define("LAST", op.attrs.i("last")) +
                           define("LARGEST", op.attrs.text("kind") == "max" ? 1 : 0) +
                           define("THREADS", kThreads));
}

Result<std::unique_ptr<Prepared> > load(const LoadContext& context) {
  const OpInstance& op = context.op;
  KernelArgs args(op);
  args.set(0, op.in[0].shape[axis_of(op)].value());
  args.set(1, result_elements(op));
  return prepare_kernel(context, "arg_reduce", std::move(args),
                        Grid::for_blocks(result_elements(op), kThreads));
}

}  // namespace

const Tactic& arg_reduce() {
  static constexpr Tactic tactic{
      .name = "arg_reduce",
      .op = "ArgReduce",
      .doc = "A block for each result.",
      .supports = supports,
      .source = source,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cuda
#endif
