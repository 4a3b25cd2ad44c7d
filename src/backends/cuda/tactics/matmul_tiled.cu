// SPDX-License-Identifier: Apache-2.0
// matmul_tiled: products of any type, integers included, in tiles of shared memory. What cuBLASLt
// does not take.
#ifdef __CUDACC_RTC__
// n: M, N, K, batches; strides of a along m and k (4, 5), of b along k and n (6, 7). The strides of
// the leading dimensions are in in_stride.
extern "C" __global__ void matmul_tiled(const __grid_constant__ Args a) {
  __shared__ Acc as[TILE][TILE + 1], bs[TILE][TILE + 1];
  const i64 m = a.n[0], n = a.n[1], depth = a.n[2];
  const i64 tiles_m = (m + TILE - 1) / TILE, tiles_n = (n + TILE - 1) / TILE;
  const int tx = threadIdx.x % TILE, ty = threadIdx.x / TILE;
  for (i64 tile = blockIdx.x; tile < tiles_m * tiles_n * a.n[3]; tile += gridDim.x) {
    const i64 row = tile / tiles_n % tiles_m * TILE, column = tile % tiles_n * TILE;
    i64 size[RANK], c[RANK];
#pragma unroll
    for (int d = 0; d < RANK; ++d) size[d] = d < Y_RANK - 2 ? a.out_size[d] : 1;
    unravel<RANK>(tile / tiles_n / tiles_m, size, c);
    i64 a0 = 0, b0 = 0;
#pragma unroll
    for (int d = 0; d < Y_RANK - 2; ++d) {
      a0 += c[d] * a.in_stride[0][d];
      b0 += c[d] * a.in_stride[1][d];
    }
    Acc sum = 0;
    for (i64 k0 = 0; k0 < depth; k0 += TILE) {
      const bool a_in = row + ty < m && k0 + tx < depth;
      const bool b_in = k0 + ty < depth && column + tx < n;
      as[ty][tx] = a_in ? (Acc)load<I0>(a.in[0], a0 + (row + ty) * a.n[4] + (k0 + tx) * a.n[5]) : 0;
      bs[ty][tx] =
          b_in ? (Acc)load<I1>(a.in[1], b0 + (k0 + ty) * a.n[6] + (column + tx) * a.n[7]) : 0;
      __syncthreads();
#pragma unroll
      for (int k = 0; k < TILE; ++k) {
#if IS_FLOAT
        sum = multiply_add(as[ty][k], bs[k][tx], sum);
#else
        sum += as[ty][k] * bs[k][tx];
#endif
      }
      __syncthreads();
    }
    c[Y_RANK - 2] = row + ty;
    c[Y_RANK - 1] = column + tx;
    if (row + ty >= m || column + tx >= n) continue;
#if HAS_BIAS
    sum += (Acc)load<I2>(a.in[2], dot<RANK>(c, a.in_stride[2]));
#endif
    finish(a, c, sum);
  }
}

#else
#include "backends/cuda/kernel.h"
#include "backends/cuda/kernel_text.h"
#include "backends/cuda/matmul_shape.h"

namespace lathe::cuda {
namespace {

constexpr int kTile = 16;

bool has_bias(const OpInstance& op) { return anchor_operands(op) > 2 && !op.in[2].absent(); }

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (!op.fusion.empty() && is_float(anchor_operand(op, 0).dtype)) {
    return Support::no("the fallback fuses nothing with products of floats");
  }
  return check_generated(op, false);
}

Result<std::string> source(const OpInstance& op, const Config&, const DeviceInfo&) {
  const DType t = anchor_operand(op, 0).dtype;
  return kernel_source(op, "matmul_tiled",
                       define("TILE", kTile) + define("Y_RANK", op.out[0].rank()) +
                           define("HAS_BIAS", has_bias(op) ? 1 : 0) +
                           define("IS_FLOAT", is_float(t) ? 1 : 0) +
                           define("Acc", !is_float(t)      ? "u64"
                                         : t == DType::F64 ? "double"
                                                           : "float"));
}

Result<std::unique_ptr<Prepared> > load(const LoadContext& context) {
  const OpInstance& op = context.op;
  const MatMulShape s = matmul_shape(op);
  KernelArgs args(op);
  for (size_t d = 0; d < s.a.lead.size(); ++d) {
    args.set_in_stride(0, d, s.a.lead[d]);
    args.set_in_stride(1, d, s.b.lead[d]);
  }
  if (has_bias(op)) args.broadcast_operand(op, 2, op.out[0].shape);
  const int64_t values[] = {s.m, s.n, s.k, s.batches, s.a.row, s.a.column, s.b.row, s.b.column};
  for (size_t k = 0; k < 8; ++k) args.set(k, values[k]);
  const int64_t tiles = (s.m + kTile - 1) / kTile * ((s.n + kTile - 1) / kTile) * s.batches;
  return prepare_kernel(context, "matmul_tiled", std::move(args),
                        Grid::for_blocks(tiles, kTile * kTile));
}

// About a twentieth of the peak.
double expect(const OpInstance& op, const Config&, const DeviceInfo& device) {
  return model_seconds(op, device) + cost_of(op).flops / (0.05 * device.flops_f32);
}

}  // namespace

const Tactic& matmul_tiled() {
  static constexpr Tactic tactic{.name = "matmul_tiled",
                                 .op = "MatMul",
                                 .doc = "Tiles in shared memory, any type; the fallback.",
                                 .supports = supports,
                                 .source = source,
                                 .load = load,
                                 .expect = expect};
  return tactic;
}

}  // namespace lathe::cuda
#endif
