// SPDX-License-Identifier: Apache-2.0
// Scatters: x copied, then the updates. One thread owns all updates that may meet one element and
// applies them in order, so the result is the reference's whatever the updates: without atomics,
// the same bits each time.
#ifdef __CUDACC_RTC__
enum { NONE, ADD, MUL, MAX, MIN };
typedef Compute<X>::type Value;

inline Value combined(Value a, Value b) {
#if IS_FLOAT
  if (HOW == ADD) return a + b;
  if (HOW == MUL) return a * b;
  if (HOW == MAX) return f_max(a, b);
  if (HOW == MIN) return f_min(a, b);
#else
  if (HOW == ADD) return i_add(a, b);
  if (HOW == MUL) return i_mul(a, b);
  if (HOW == MAX) return i_max(a, b);
  if (HOW == MIN) return i_min(a, b);
#endif
  return b;
}
inline void apply(const Args& a, i64 at, i64 update) {
  const Value v = load<X>(a.in[2], update);
  store<X>(a.out[0], at, HOW == NONE ? v : combined(load<X>(a.out[0], at), v));
}
inline bool wrap(i64& index, i64 size) {
  if (index < 0) index += size;
  return index >= 0 && index < size;
}

// n: elements of x.
extern "C" __global__ void scatter_copy(const __grid_constant__ Args a) {
  for (i64 i = thread_index(); i < a.n[0]; i += thread_count()) {
    i64 c[RANK];
    unravel_out(i, a, c);
    store<X>(a.out[0], dot<RANK>(c, a.out_stride[0]), load_x(a, c));
  }
}

#if ELEMENTS
// A thread for each line of updates along AXIS: no other line meets its elements. n[1]: lines.
extern "C" __global__ void scatter(const __grid_constant__ Args a) {
  for (i64 line = thread_index(); line < a.n[1]; line += thread_count()) {
    i64 size[RANK], c[RANK];
#pragma unroll
    for (int d = 0; d < RANK; ++d) size[d] = d == AXIS ? 1 : a.in_size[1][d];
    unravel<RANK>(line, size, c);
    for (i64 j = 0; j < a.in_size[1][AXIS]; ++j) {
      c[AXIS] = j;
      i64 index = load<I1>(a.in[1], dot<RANK>(c, a.in_stride[1]));
      const i64 update = dot<RANK>(c, a.in_stride[2]);
      if (!wrap(index, a.in_size[0][AXIS])) continue;
      c[AXIS] = index;
      apply(a, dot<RANK>(c, a.out_stride[0]), update);
    }
  }
}
#else
// For each element of a slice OWNERS threads, each with its share of the targets; every one walks
// all tuples. n[1]: tuples, n[2]: elements of a slice.
extern "C" __global__ void scatter(const __grid_constant__ Args a) {
  for (i64 t = thread_index(); t < a.n[2] * OWNERS; t += thread_count()) {
    const i64 owner = t / a.n[2], within = t % a.n[2];
    i64 slice[RANK] = {};
    i64 size[RANK], c[RANK];
#pragma unroll
    for (int d = 0; d < RANK; ++d) size[d] = d < TUPLE ? 1 : a.out_size[d];
    unravel<RANK>(within, size, slice);
    i64 inner = 0, inner_update = 0;
#pragma unroll
    for (int d = TUPLE; d < X_RANK; ++d) {
      inner += slice[d] * a.out_stride[0][d];
      inner_update += slice[d] * a.in_stride[2][INDEX_RANK - 1 + d - TUPLE];
    }
    for (i64 k = 0; k < a.n[1]; ++k) {
#pragma unroll
      for (int d = 0; d < RANK; ++d) size[d] = d < INDEX_RANK - 1 ? a.in_size[1][d] : 1;
      unravel<RANK>(k, size, c);
      i64 tuple = 0, update = inner_update, at = inner, target = 0;
#pragma unroll
      for (int d = 0; d < INDEX_RANK - 1; ++d) {
        tuple += c[d] * a.in_stride[1][d];
        update += c[d] * a.in_stride[2][d];
      }
      bool inside = true;
#pragma unroll
      for (int d = 0; d < TUPLE; ++d) {
        i64 index = load<I1>(a.in[1], tuple + d * a.in_stride[1][INDEX_RANK - 1]);
        inside = wrap(index, a.in_size[0][d]) && inside;
        at += index * a.out_stride[0][d];
        target = target * a.in_size[0][d] + index;
      }
      if (inside && target % OWNERS == owner) apply(a, at, update);
    }
  }
}
#endif

#else
#include <algorithm>
#include <array>

#include "backends/cuda/kernel.h"
#include "backends/cuda/kernel_text.h"

namespace lathe::cuda {
namespace {

constexpr std::array<std::string_view, 5> kHow = {"none", "add", "mul", "max", "min"};
constexpr int kOwners = 256;

bool is_elements(const OpInstance& op) { return op.def->is("ScatterElements"); }

class PreparedScatter : public Prepared {
 public:
  PreparedScatter(std::unique_ptr<Prepared> copy, std::unique_ptr<Prepared> updates)
      : copy_(std::move(copy)), updates_(std::move(updates)) {}
  Status launch(const Buffers& at, Stream& stream) const override {
    LATHE_TRY(copy_->launch(at, stream));
    return updates_ != nullptr ? updates_->launch(at, stream) : Status();
  }

 private:
  std::unique_ptr<Prepared> copy_, updates_;
};

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (!op.fusion.empty()) return Support::no("nothing is fused with a scatter");
  return check_generated(op, true);
}

Result<std::string> source(const OpInstance& op, const Config&, const DeviceInfo&) {
  const Shape& indices = op.in[1].shape;
  std::string d =
      define("HOW", std::find(kHow.begin(), kHow.end(), op.attrs.text("reduction")) - kHow.begin());
  d += define("IS_FLOAT", is_float(op.in[0].dtype) ? 1 : 0);
  d += define("ELEMENTS", is_elements(op) ? 1 : 0);
  d += define("X_RANK", op.in[0].rank()) + define("INDEX_RANK", indices.rank());
  if (is_elements(op)) {
    d += define("AXIS", LATHE_TRY(normalize_axis(op.attrs.i("axis"), op.in[0].rank())));
  } else {
    d += define("TUPLE", indices[indices.rank() - 1].value()) + define("OWNERS", kOwners);
  }
  return kernel_source(op, "scatter", d);
}

Result<std::unique_ptr<Prepared> > load(const LoadContext& context) {
  const OpInstance& op = context.op;
  KernelArgs args(op);
  const int64_t elements = result_elements(op), updates = op.in[2].shape.elements();
  int64_t threads = 0;
  args.set(0, elements);
  if (is_elements(op)) {
    const int axis = LATHE_TRY(normalize_axis(op.attrs.i("axis"), op.in[0].rank()));
    threads = updates == 0 ? 0 : updates / op.in[1].shape[axis].value();
    args.set(1, threads);
  } else {
    const Shape& indices = op.in[1].shape;
    const int64_t tuple = indices[indices.rank() - 1].value();
    const int64_t tuples = indices.elements() / tuple;
    const int64_t slice = tuples == 0 ? 0 : updates / tuples;
    args.set(1, tuples);
    args.set(2, slice);
    threads = slice * kOwners;
  }
  std::unique_ptr<Prepared> copy =
      LATHE_TRY(prepare_kernel(context, "scatter_copy", args, Grid::for_items(elements)));
  std::unique_ptr<Prepared> apply;
  if (threads > 0) {
    apply = LATHE_TRY(prepare_kernel(context, "scatter", args, Grid::for_items(threads)));
  }
  return std::unique_ptr<Prepared>(
      std::make_unique<PreparedScatter>(std::move(copy), std::move(apply)));
}

constexpr Tactic scatter(std::string_view name, std::string_view op) {
  return {.name = name,
          .op = op,
          .doc = "Updates in order, each element's by one thread: deterministic.",
          .supports = supports,
          .source = source,
          .load = load};
}

}  // namespace

const Tactic& scatter_elements() {
  static constexpr Tactic tactic = scatter("scatter_elements", "ScatterElements");
  return tactic;
}
const Tactic& scatter_nd() {
  static constexpr Tactic tactic = scatter("scatter_nd", "ScatterND");
  return tactic;
}

}  // namespace lathe::cuda
#endif
