// SPDX-License-Identifier: Apache-2.0
// resize: any mode, by the tables of sampled elements and weights that the reference computes
// (ops/resize.h), so that both choose the same neighbours. A thread for each result.
#ifdef __CUDACC_RTC__
typedef Compute<X>::type Value;

// For each axis: n[d] points to its elements, n[8 + d] to its weights, n[16 + d] holds its taps (0:
// element o is element o). Weights end with 1 for each output that is outside.
extern "C" __global__ void resize(const __grid_constant__ Args a) {
  for (i64 i = thread_index(); i < a.n[31]; i += thread_count()) {
    i64 c[RANK], t[RANK] = {};
    unravel_out(i, a, c);
    bool outside = false;
    i64 combinations = 1;
#pragma unroll
    for (int d = 0; d < RANK; ++d) {
      const i64 taps = a.n[16 + d];
      if (taps == 0) continue;
      combinations *= taps;
      outside = outside || ((const Acc*)a.n[8 + d])[a.out_size[d] * taps + c[d]] != 0;
    }
    if (outside) {
      finish(a, c, (Acc)a.f[0]);
      continue;
    }
    Acc sum = 0;
    for (i64 k = 0; k < combinations; ++k) {
      i64 x[RANK], rest = k;
      Acc weight = 1;
#pragma unroll
      for (int d = RANK - 1; d >= 0; --d) {
        const i64 taps = a.n[16 + d];
        x[d] = c[d];
        if (taps == 0) continue;
        const i64 at = c[d] * taps + rest % taps;
        rest /= taps;
        x[d] = ((const i64*)a.n[d])[at];
        weight *= ((const Acc*)a.n[8 + d])[at];
      }
#if NEAREST
      finish(a, c, load_x(a, x));
#else
      if (weight != 0) sum = multiply_add(weight, (Acc)load_x(a, x), sum);
#endif
    }
#if !NEAREST && INTEGER
    finish(a, c, float_to_int<Y>(f_round(sum)));
#elif !NEAREST
    finish(a, c, sum);
#endif
  }
}

#else
#include "backends/cuda/kernel.h"
#include "backends/cuda/kernel_text.h"
#include "ops/resize.h"

namespace lathe::cuda {
namespace {

bool is_nearest(const OpInstance& op) { return op.attrs.text("mode") == "nearest"; }

// Doubles where floats could not hold the values.
bool in_double(const OpInstance& op) {
  const DType t = anchor_operand(op, 0).dtype;
  return t == DType::F64 || (is_int(t) && bits(t) > 16);
}

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (!is_float(anchor_operand(op, 0).dtype) &&
      op.attrs.text("coordinates") == "tf_crop_and_resize") {
    return Support::no("extrapolation of integers");
  }
  return check_generated(op, true);
}

Result<std::string> source(const OpInstance& op, const Config&, const DeviceInfo&) {
  return kernel_source(op, "resize",
                       define("NEAREST", is_nearest(op) ? 1 : 0) +
                           define("INTEGER", is_float(anchor_operand(op, 0).dtype) ? 0 : 1) +
                           define("Acc", in_double(op) ? "double" : "float"));
}

template <class T>
Result<std::unique_ptr<Memory> > upload_weights(Device& device, const ResizeAxis& table) {
  std::vector<T> weights(table.weight.begin(), table.weight.end());
  for (bool outside : table.outside) weights.push_back(outside ? T(1) : T(0));
  return upload_table(device, weights.data(), weights.size() * sizeof(T));
}

Result<std::unique_ptr<Prepared> > load(const LoadContext& context) {
  const OpInstance& op = context.op;
  KernelArgs args(op);
  std::vector<std::unique_ptr<Memory> > held;
  args.set(31, result_elements(op));
  args.set_float(0, op.attrs.f("extrapolation"));
  for (int d = 0; d < op.in[0].rank() && result_elements(op) > 0; ++d) {
    const ResizeAxis table = resize_axis(op, d, 0, op.out[0].shape[d].value());
    if (table.identity) continue;
    const auto n = static_cast<size_t>(d);
    held.push_back(LATHE_TRY(
        upload_table(context.device, table.index.data(), table.index.size() * sizeof(int64_t))));
    args.set_pointer(n, held.back()->data());
    held.push_back(LATHE_TRY(in_double(op) ? upload_weights<double>(context.device, table)
                                           : upload_weights<float>(context.device, table)));
    args.set_pointer(8 + n, held.back()->data());
    args.set(16 + n, table.taps);
  }
  return prepare_kernel(context, "resize", std::move(args),
                        Grid::for_items(result_elements(op), 128), std::move(held));
}

}  // namespace

const Tactic& resize() {
  static constexpr Tactic tactic{
      .name = "resize",
      .op = "Resize",
      .doc = "A thread for each result, any mode, by the reference's tables.",
      .supports = supports,
      .source = source,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cuda
#endif
