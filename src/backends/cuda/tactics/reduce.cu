// SPDX-License-Identifier: Apache-2.0
// reduce: sums, extremes, products and norms over any axes, with prologue and epilogue. A thread
// for each result where many lie side by side, else a block for each.
#ifdef __CUDACC_RTC__
enum { SUM, MEAN, MAX, MIN, PROD, L1, L2, LOGSUM, LOGSUMEXP, SUMSQUARE };
typedef Compute<X>::type Value;

// n: elements of a result, results; from n[8] the sizes of the reduced axes.
inline Acc identity() {
  if (KIND == PROD) return 1;
  if (KIND == MAX) return LOWEST;
  if (KIND == MIN) return HIGHEST;
  return 0;
}
inline Acc larger(Acc a, Acc b) { return a != a ? a : b != b ? b : a < b ? b : a; }
inline Acc smaller(Acc a, Acc b) { return a != a ? a : b != b ? b : b < a ? b : a; }
inline Acc combine(Acc a, Acc b) {
  if (KIND == PROD) return a * b;
  if (KIND == MAX) return larger(a, b);
  if (KIND == MIN) return smaller(a, b);
  return a + b;
}
inline Acc term(Value v, Acc most) {
  const Acc x = (Acc)v;
  if (KIND == L1) return v < (Value)0 ? 0 - x : x;
  if (KIND == L2 || KIND == SUMSQUARE) return x * x;
#if KIND == 8
  return f_exp(x - most);
#endif
  return x;
}
inline Acc result(Acc sum, i64 count, Acc most) {
#if KIND == 1
  return sum / (Acc)count;
#elif KIND == 6
  return f_sqrt(sum);
#elif KIND == 7
  return f_log(sum);
#elif KIND == 8
  return most + f_log(sum);
#endif
  return sum;
}
template <class V>
inline void write(const Args& a, const i64* c, V v) {
#if INTEGER_THROUGH_DOUBLE
  finish(a, c, float_to_int<Y>(v));
#else
  finish(a, c, v);
#endif
}

// This thread's part of one result: elements `first`, first + step, ...
inline Acc partial(const Args& a, const i64* c, i64 first, i64 step, Acc most, bool extreme) {
  Acc acc = extreme ? LOWEST : identity();
  i64 x[RANK];
  first_of(c, x);
  for (i64 j = first; j < a.n[0]; j += step) {
    element_of(j, a, x);
    const Value v = load_x(a, x);
    acc = extreme ? larger(acc, (Acc)v) : combine(acc, term(v, most));
  }
  return acc;
}

extern "C" __global__ void reduce_thread(const __grid_constant__ Args a) {
  for (i64 i = thread_index(); i < a.n[1]; i += thread_count()) {
    i64 c[RANK];
    unravel_out(i, a, c);
    Acc most = 0;
    if (KIND == LOGSUMEXP) most = partial(a, c, 0, 1, 0, true);
    if (KIND == LOGSUMEXP && !(most - most == 0)) {
      write(a, c, most);
      continue;
    }
    write(a, c, result(partial(a, c, 0, 1, most, false), a.n[0], most));
  }
}

extern "C" __global__ void reduce_block(const __grid_constant__ Args a) {
  __shared__ Acc scratch[32];
  for (i64 i = blockIdx.x; i < a.n[1]; i += gridDim.x) {
    i64 c[RANK];
    unravel_out(i, a, c);
    Acc most = 0;
    if (KIND == LOGSUMEXP) {
      most = across_block(partial(a, c, threadIdx.x, blockDim.x, 0, true), scratch, larger);
    }
    const Acc sum =
        across_block(partial(a, c, threadIdx.x, blockDim.x, most, false), scratch, combine);
    if (threadIdx.x != 0) continue;
    const bool infinite = KIND == LOGSUMEXP && !(most - most == 0);
    write(a, c, infinite ? most : result(sum, a.n[0], most));
  }
}

#else
#include <algorithm>
#include <array>

#include "backends/cuda/expr_text.h"
#include "backends/cuda/kernel.h"
#include "backends/cuda/kernel_text.h"
#include "ops/axes.h"

namespace lathe::cuda {
namespace {

constexpr std::array<std::string_view, 10> kKinds = {
    "sum", "mean", "max", "min", "prod", "l1", "l2", "logsum", "logsumexp", "sumsquare"};

int kind_of(const OpInstance& op) {
  return static_cast<int>(std::find(kKinds.begin(), kKinds.end(), op.attrs.text("kind")) -
                          kKinds.begin());
}

std::vector<int> axes_of(const OpInstance& op) {
  return *lathe::axes_of(op.attrs, "axes", anchor_operand(op, 0).rank());
}

Support supports(const OpInstance& op, const DeviceInfo&) { return check_generated(op, true); }

// The accumulator, and the least and greatest value that an extreme starts from.
std::string accumulator(DType t, int kind) {
  const bool through_double = kind == 1 || kind == 6 || kind == 7 || kind == 8;
  std::string type = "u64", low = "0", high = "0";
  if (is_float(t) || through_double) {
    type = is_float(t) && t != DType::F64 ? "float" : "double";
    low = fmt::format("(-infinity<{}>())", type);
    high = fmt::format("infinity<{}>()", type);
  } else if (kind == 2 || kind == 3) {
    type = t == DType::Bool ? "int" : compute_name(t);
    low = t == DType::Bool ? "0" : fmt::format("Limits<{}>::lowest()", type);
    high = t == DType::Bool ? "1" : fmt::format("Limits<{}>::highest()", type);
  }
  return fmt::format("typedef {} Acc;\n", type) + define("LOWEST", "((Acc)" + low + ")") +
         define("HIGHEST", "((Acc)" + high + ")") +
         define("INTEGER_THROUGH_DOUBLE", !is_float(t) && through_double ? 1 : 0);
}

// Coordinates in x of a result's first element, and of its element j.
std::string coordinates(const OpInstance& op, const std::vector<int>& axes, size_t rank) {
  const bool keep = op.attrs.i("keepdims") != 0;
  const int x_rank = anchor_operand(op, 0).rank();
  std::string first = "inline void first_of(const i64* c, i64* x) {\n", element;
  int from = 0;
  for (int d = 0; d < static_cast<int>(rank); ++d) {
    const bool reduced = std::find(axes.begin(), axes.end(), d) != axes.end();
    const bool zero = reduced || d >= x_rank;
    first += zero ? fmt::format("  x[{}] = 0;\n", d) : fmt::format("  x[{}] = c[{}];\n", d, from);
    if (!reduced || keep) ++from;
  }
  element = "}\ninline void element_of(i64 j, const Args& a, i64* x) {\n";
  if (!axes.empty()) {
    element += fmt::format("  i64 r[{0}];\n  unravel<{0}>(j, a.n + 8, r);\n", axes.size());
  }
  for (size_t k = 0; k < axes.size(); ++k) element += fmt::format("  x[{}] = r[{}];\n", axes[k], k);
  return first + element + "}\n";
}

Result<std::string> source(const OpInstance& op, const Config&, const DeviceInfo&) {
  const int kind = kind_of(op);
  return kernel_source(op, "reduce", define("KIND", kind),
                       accumulator(anchor_operand(op, 0).dtype, kind) +
                           coordinates(op, axes_of(op), ArgsShape::of(op).rank));
}

Result<std::unique_ptr<Prepared> > load(const LoadContext& context) {
  const OpInstance& op = context.op;
  KernelArgs args(op);
  int64_t count = 1;
  const std::vector<int> axes = axes_of(op);
  const std::vector<int64_t> strides = operand_strides(op, 0);
  bool contiguous = false;
  for (size_t k = 0; k < axes.size(); ++k) {
    const int64_t size = op.in[0].shape[axes[k]].value();
    args.set(8 + k, size);
    count *= size;
    contiguous = contiguous || strides[static_cast<size_t>(axes[k])] == 1;
  }
  const int64_t results = result_elements(op);
  args.set(0, count);
  args.set(1, results);
  constexpr int64_t kFew = 16384;  // results that leave most of the device idle, a thread each
  const bool block = count >= 32 && (contiguous || results < kFew);
  const auto threads = static_cast<unsigned>(std::clamp<int64_t>((count + 31) / 32 * 32, 32, 256));
  return prepare_kernel(context, block ? "reduce_block" : "reduce_thread", std::move(args),
                        block ? Grid::for_blocks(results, threads) : Grid::for_items(results, 128));
}

}  // namespace

const Tactic& reduce() {
  static constexpr Tactic tactic{
      .name = "reduce",
      .op = "Reduce",
      .doc = "A thread or a block for each result, any axes, prologue and epilogue.",
      .supports = supports,
      .source = source,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cuda
#endif
