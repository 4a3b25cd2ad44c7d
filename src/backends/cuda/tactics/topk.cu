// SPDX-License-Identifier: Apache-2.0
// topk: a block for each row picks one element after another: the first, in the order of the
// result, of those behind the last pick. k passes over the row; exact, ties by place.
#ifdef __CUDACC_RTC__
typedef Compute<X>::type Value;

// Whether a at i stands before b at j in the result.
inline bool before(Value a, i64 i, Value b, i64 j) {
  const bool a_nan = a != a, b_nan = b != b;
  const bool less = a_nan ? false : b_nan || a < b;
  const bool greater = b_nan ? false : a_nan || b < a;
  if (LARGEST ? greater : less) return true;
  if (LARGEST ? less : greater) return false;
  return i < j;
}

// n: rows, length of a row, k.
extern "C" __global__ void topk(const __grid_constant__ Args a) {
  __shared__ Value values[THREADS];
  __shared__ i64 places[THREADS];
  for (i64 row = blockIdx.x; row < a.n[0]; row += gridDim.x) {
    i64 size[RANK], c[RANK];
#pragma unroll
    for (int d = 0; d < RANK; ++d) size[d] = d == AXIS ? 1 : a.out_size[d];
    unravel<RANK>(row, size, c);
    Value last = 0;
    i64 last_place = -1;
    for (i64 pick = 0; pick < a.n[2]; ++pick) {
      Value best = 0;
      i64 place = -1;
      for (i64 j = threadIdx.x; j < a.n[1]; j += THREADS) {
        c[AXIS] = j;
        const Value v = load_x(a, c);
        if (last_place >= 0 && !before(last, last_place, v, j)) continue;
        if (place >= 0 && !before(v, j, best, place)) continue;
        best = v;
        place = j;
      }
      values[threadIdx.x] = best;
      places[threadIdx.x] = place;
      for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        const int other = threadIdx.x + half;
        if (threadIdx.x >= half || places[other] < 0) continue;
        const i64 mine = places[threadIdx.x];
        if (mine < 0 || before(values[other], places[other], values[threadIdx.x], mine)) {
          values[threadIdx.x] = values[other];
          places[threadIdx.x] = places[other];
        }
      }
      __syncthreads();
      last = values[0];
      last_place = places[0];
      __syncthreads();
      if (threadIdx.x != 0) continue;
      c[AXIS] = pick;
      store<O0>(a.out[0], dot<RANK>(c, a.out_stride[0]), last);
      store<O1>(a.out[1], dot<RANK>(c, a.out_stride[1]), last_place);
    }
  }
}

#else
#include "backends/cuda/kernel.h"
#include "backends/cuda/kernel_text.h"

namespace lathe::cuda {
namespace {

constexpr unsigned kThreads = 256;

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (!op.fusion.empty()) return Support::no("nothing is fused with a selection");
  return check_generated(op, true);
}

Result<std::string> source(const OpInstance& op, const Config&, const DeviceInfo&) {
  const int axis = LATHE_TRY(normalize_axis(op.attrs.i("axis"), op.in[0].rank()));
  return kernel_source(op, "topk",
                       define("AXIS", axis) + define("LARGEST", op.attrs.i("largest")) +
                           define("THREADS", kThreads));
}

Result<std::unique_ptr<Prepared> > load(const LoadContext& context) {
  const OpInstance& op = context.op;
  KernelArgs args(op);
  const int axis = LATHE_TRY(normalize_axis(op.attrs.i("axis"), op.in[0].rank()));
  const int64_t k = op.out[0].shape[axis].value();
  const int64_t rows = k == 0 ? 0 : result_elements(op) / k;
  args.set(0, rows);
  args.set(1, op.in[0].shape[axis].value());
  args.set(2, k);
  return prepare_kernel(context, "topk", std::move(args), Grid::for_blocks(rows, kThreads));
}

}  // namespace

const Tactic& topk() {
  static constexpr Tactic tactic{.name = "topk",
                                 .op = "TopK",
                                 .doc = "A block for each row, one pass for each element picked.",
                                 .supports = supports,
                                 .source = source,
                                 .load = load};
  return tactic;
}

}  // namespace lathe::cuda
#endif
