// SPDX-License-Identifier: Apache-2.0
// attention: a warp for each row of queries walks the keys 32 at a time with a running maximum, so
// scores never reach memory. Right for any shape and mask; the fast one for tensor cores is
// another.
#ifdef __CUDACC_RTC__
// n: rows, S, T, D, E; strides of q along s and d (5, 6), k along t and d (7, 8), v along t and e
// (9, 10), mask along s and t (11, 12). Strides of the leading dimensions are in in_stride.
extern "C" __global__ void attention(const __grid_constant__ Args a) {
  extern __shared__ double shared[];
  const i64 length = a.n[2], depth = a.n[3], width = a.n[4];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  Acc* q = (Acc*)shared + warp * (depth + width);
  Acc* sums = q + depth;
  for (i64 row = thread_index() / 32; row < a.n[0]; row += thread_count() / 32) {
    i64 size[RANK], c[RANK];
#pragma unroll
    for (int d = 0; d < RANK; ++d) size[d] = d < Y_RANK - 1 ? a.out_size[d] : 1;
    unravel<RANK>(row, size, c);
    const i64 s = c[Y_RANK - 2];
    i64 q0 = s * a.n[5], k0 = 0, v0 = 0, m0 = s * a.n[11];
#pragma unroll
    for (int d = 0; d < Y_RANK - 2; ++d) {
      q0 += c[d] * a.in_stride[0][d];
      k0 += c[d] * a.in_stride[1][d];
      v0 += c[d] * a.in_stride[2][d];
#if HAS_MASK
      m0 += c[d] * a.in_stride[3][d];
#endif
    }
    __syncwarp();
    for (i64 d = lane; d < depth; d += 32) q[d] = load<I0>(a.in[0], q0 + d * a.n[6]);
    for (i64 e = lane; e < width; e += 32) sums[e] = 0;
    __syncwarp();
    Acc most = -infinity<Acc>(), total = 0;
    const i64 end = CAUSAL && s + 1 < length ? s + 1 : length;
    for (i64 from = 0; from < end; from += 32) {
      const i64 j = from + lane;
      Acc score = -infinity<Acc>();
      if (j < end) {
        score = 0;
        for (i64 d = 0; d < depth; ++d) {
          score = multiply_add(q[d], (Acc)load<I1>(a.in[1], k0 + j * a.n[7] + d * a.n[8]), score);
        }
        score *= (Acc)a.f[0];
#if HAS_MASK
        const auto mask = load<I3>(a.in[3], m0 + j * a.n[12]);
#if BOOL_MASK
        if (!mask) score = -infinity<Acc>();
#else
        score += mask;
#endif
#endif
      }
      const auto larger = [](Acc p, Acc r) { return f_max(p, r); };
      const Acc next = f_max(most, across_warp(score, larger));
      const bool nothing = next == -infinity<Acc>();
      const Acc fade = nothing || most == next ? 1 : f_exp(most - next);
      const Acc p = nothing || j >= end ? 0 : f_exp(score - next);
      total = total * fade + across_warp(p, [](Acc x, Acc y) { return x + y; });
      most = next;
      for (i64 e = lane; e < width; e += 32) sums[e] *= fade;
      for (int k = 0; k < 32 && from + k < end; ++k) {
        const Acc weight = __shfl_sync(0xffffffffu, p, k);
        if (weight == 0) continue;
        for (i64 e = lane; e < width; e += 32) {
          sums[e] = multiply_add(
              weight, (Acc)load<I2>(a.in[2], v0 + (from + k) * a.n[9] + e * a.n[10]), sums[e]);
        }
      }
    }
    for (i64 e = lane; e < width; e += 32) {
      c[Y_RANK - 1] = e;
      finish(a, c, total == 0 ? (Acc)0 : sums[e] / total);
    }
  }
}

#else
#include "backends/cuda/kernel.h"
#include "backends/cuda/kernel_text.h"
#include "backends/cuda/matmul_shape.h"

namespace lathe::cuda {
namespace {

constexpr unsigned kWarps = 4;
constexpr int64_t kSharedBytes = 48 * 1024;  // without asking for more

bool has_mask(const OpInstance& op) { return anchor_operands(op) > 3 && !op.in[3].absent(); }

int64_t shared_bytes(const OpInstance& op) {
  const Shape &q = op.in[0].shape, &y = op.out[0].shape;
  const int64_t width = anchor_operand(op, 0).dtype == DType::F64 ? 8 : 4;
  return (q[q.rank() - 1].value() + y[y.rank() - 1].value()) * width * kWarps;
}

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (shared_bytes(op) > kSharedBytes) return Support::no("heads wider than shared memory");
  return check_generated(op, false);
}

Result<std::string> source(const OpInstance& op, const Config&, const DeviceInfo&) {
  const bool mask = has_mask(op);
  return kernel_source(
      op, "attention",
      define("Y_RANK", op.out[0].rank()) + define("CAUSAL", op.attrs.i("causal")) +
          define("HAS_MASK", mask ? 1 : 0) +
          define("BOOL_MASK", mask && op.in[3].dtype == DType::Bool ? 1 : 0) +
          define("Acc", anchor_operand(op, 0).dtype == DType::F64 ? "double" : "float"));
}

Result<std::unique_ptr<Prepared> > load(const LoadContext& context) {
  const OpInstance& op = context.op;
  KernelArgs args(op);
  const Shape &q = op.in[0].shape, &k = op.in[1].shape, &y = op.out[0].shape;
  const int64_t length = k[k.rank() - 2].value(), width = y[y.rank() - 1].value();
  const int64_t rows = width == 0 ? 0 : result_elements(op) / width;
  const int64_t sizes[] = {rows, y[y.rank() - 2].value(), length, q[q.rank() - 1].value(), width};
  for (size_t n = 0; n < 5; ++n) args.set(n, sizes[n]);
  for (size_t n = 0; n < 3; ++n) {
    const MatMulShape::Operand o = matrix_operand(op, n);
    for (size_t d = 0; d < o.lead.size(); ++d) args.set_in_stride(n, d, o.lead[d]);
    args.set(5 + 2 * n, o.row);
    args.set(6 + 2 * n, o.column);
  }
  if (has_mask(op)) {
    Shape scores = y;
    scores[y.rank() - 1] = length;
    const std::vector<int64_t> s = broadcast_strides(op.in[3], operand_strides(op, 3), scores);
    for (size_t d = 0; d + 2 < s.size(); ++d) args.set_in_stride(3, d, s[d]);
    args.set(11, s[s.size() - 2]);
    args.set(12, s[s.size() - 1]);
  }
  args.set_float(0, op.attrs.f("scale"));
  Grid grid = Grid::for_items(rows * 32, kWarps * 32);
  grid.shared_bytes = static_cast<unsigned>(shared_bytes(op));
  return prepare_kernel(context, "attention", std::move(args), grid);
}

}  // namespace

const Tactic& attention() {
  static constexpr Tactic tactic{.name = "attention",
                                 .op = "Attention",
                                 .doc = "A warp for each query, running maximum, any mask.",
                                 .supports = supports,
                                 .source = source,
                                 .load = load};
  return tactic;
}

}  // namespace lathe::cuda
#endif
