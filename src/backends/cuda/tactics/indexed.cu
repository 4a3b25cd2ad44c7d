// SPDX-License-Identifier: Apache-2.0
// Movements whose source depends on contents or wraps: Pad, Tile, Gather, GatherElements, GatherND,
// Trilu; a thread for each result. An index that is out of range reads as zero.
#ifdef __CUDACC_RTC__
enum { PAD, TILE, GATHER, GATHER_ELEMENTS, GATHER_ND, TRILU };

// An index counted from the end when negative; false when it is outside.
inline bool wrap(i64& index, i64 size) {
  if (index < 0) index += size;
  return index >= 0 && index < size;
}

#if MOVE == 0
// n[d]: first element kept, n[8 + d]: how many are, n[16 + d]: the margin before them.
inline bool source(const Args& a, const i64* c, i64* x) {
#pragma unroll
  for (int d = 0; d < RANK; ++d) {
    const i64 size = a.n[8 + d];
    i64 i = c[d] - a.n[16 + d];
    if (i < 0 || i >= size) {
      if (MODE == 0) return false;
      if (MODE == 2) i = i < 0 ? 0 : size - 1;
      const i64 period = MODE == 3 ? size : 2 * (size - 1);
      if (MODE == 1 && size == 1) i = 0;
      if (MODE == 3 || (MODE == 1 && size > 1)) {
        i %= period;
        if (i < 0) i += period;
      }
      if (MODE == 1 && i >= size) i = period - i;
    }
    x[d] = a.n[d] + i;
  }
  return true;
}
#elif MOVE == 1
inline bool source(const Args& a, const i64* c, i64* x) {
#pragma unroll
  for (int d = 0; d < RANK; ++d) x[d] = c[d] % a.in_size[0][d];
  return true;
}
#elif MOVE == 2
inline bool source(const Args& a, const i64* c, i64* x) {
  i64 at = 0;
#pragma unroll
  for (int d = 0; d < INDEX_RANK; ++d) at += c[AXIS + d] * a.in_stride[1][d];
  i64 index = load<I1>(a.in[1], at);
#pragma unroll
  for (int d = 0; d < X_RANK; ++d) {
    if (d != AXIS) x[d] = c[d < AXIS ? d : d + INDEX_RANK - 1];
  }
  const bool inside = wrap(index, a.in_size[0][AXIS]);
  x[AXIS] = index;
  return inside;
}
#elif MOVE == 3
inline bool source(const Args& a, const i64* c, i64* x) {
  i64 index = load<I1>(a.in[1], dot<RANK>(c, a.in_stride[1]));
#pragma unroll
  for (int d = 0; d < RANK; ++d) x[d] = c[d];
  const bool inside = wrap(index, a.in_size[0][AXIS]);
  x[AXIS] = index;
  return inside;
}
#elif MOVE == 4
inline bool source(const Args& a, const i64* c, i64* x) {
  i64 at = 0;
#pragma unroll
  for (int d = 0; d < INDEX_RANK - 1; ++d) at += c[d] * a.in_stride[1][d];
#pragma unroll
  for (int d = 0; d < BATCH; ++d) x[d] = c[d];
#pragma unroll
  for (int t = 0; t < TUPLE; ++t) {
    i64 index = load<I1>(a.in[1], at + t * a.in_stride[1][INDEX_RANK - 1]);
    if (!wrap(index, a.in_size[0][BATCH + t])) return false;
    x[BATCH + t] = index;
  }
#pragma unroll
  for (int d = BATCH + TUPLE; d < X_RANK; ++d) x[d] = c[INDEX_RANK - 1 + d - BATCH - TUPLE];
  return true;
}
#else
inline bool source(const Args& a, const i64* c, i64* x) {
#pragma unroll
  for (int d = 0; d < RANK; ++d) x[d] = c[d];
  const i64 diagonal = c[X_RANK - 1] - c[X_RANK - 2];
  return UPPER ? diagonal >= a.n[0] : diagonal <= a.n[0];
}
#endif

extern "C" __global__ void indexed(const __grid_constant__ Args a) {
  for (i64 i = thread_index(); i < a.n[31]; i += thread_count()) {
    i64 c[RANK], x[RANK] = {};
    unravel_out(i, a, c);
    Compute<X>::type v = 0;
    if (source(a, c, x)) {
      v = load_x(a, x);
#if FILL
    } else {
      v = load<I1>(a.in[1], 0);
#endif
    }
    finish(a, c, v);
  }
}

#else
#include <algorithm>
#include <array>

#include "backends/cuda/kernel.h"
#include "backends/cuda/kernel_text.h"

namespace lathe::cuda {
namespace {

enum Move { Pad, Tile, Gather, GatherElements, GatherNd, Trilu };
constexpr std::array<std::string_view, 6> kOps = {"Pad",      "Tile", "Gather", "GatherElements",
                                                  "GatherND", "Trilu"};
constexpr std::array<std::string_view, 4> kPadModes = {"constant", "reflect", "edge", "wrap"};
constexpr size_t kTotal = 31;  // which n holds the number of results

Move move_of(const OpInstance& op) {
  return static_cast<Move>(std::find(kOps.begin(), kOps.end(), op.def->name) - kOps.begin());
}

Support supports(const OpInstance& op, const DeviceInfo&) { return check_generated(op, true); }

std::string defines(const OpInstance& op) {
  const Move move = move_of(op);
  const int x_rank = anchor_operand(op, 0).rank();
  std::string d = define("MOVE", static_cast<int>(move)) + define("X_RANK", x_rank);
  const bool fill = move == Pad && anchor_operands(op) > 1 && !op.in[1].absent();
  d += define("FILL", fill ? 1 : 0);
  if (move == Gather || move == GatherElements) {
    d += define("AXIS", *normalize_axis(op.attrs.i("axis"), x_rank));
  }
  if (move == Gather || move == GatherNd) d += define("INDEX_RANK", op.in[1].rank());
  if (move == GatherNd) {
    d += define("BATCH", op.attrs.i("batch_dims"));
    d += define("TUPLE", op.in[1].shape[op.in[1].rank() - 1].value());
  }
  if (move == Trilu) d += define("UPPER", op.attrs.i("upper"));
  if (move == Pad) {
    d += define("MODE", std::find(kPadModes.begin(), kPadModes.end(), op.attrs.text("mode")) -
                            kPadModes.begin());
  }
  return d;
}

Result<std::string> source(const OpInstance& op, const Config&, const DeviceInfo&) {
  return kernel_source(op, "indexed", defines(op));
}

void set_margins(const OpInstance& op, KernelArgs& args) {
  for (size_t d = 0; d < static_cast<size_t>(kMaxRank); ++d) {
    args.set(8 + d, 1);
    if (d >= static_cast<size_t>(op.in[0].rank())) continue;
    const int64_t before = op.attrs.dims("before")[d].value();
    const int64_t after = op.attrs.dims("after")[d].value();
    args.set(d, std::max<int64_t>(-before, 0));
    args.set(8 + d, op.in[0].shape[static_cast<int>(d)].value() + std::min<int64_t>(before, 0) +
                        std::min<int64_t>(after, 0));
    args.set(16 + d, std::max<int64_t>(before, 0));
  }
}

Result<std::unique_ptr<Prepared> > load(const LoadContext& context) {
  const OpInstance& op = context.op;
  KernelArgs args(op);
  if (move_of(op) == Pad) set_margins(op, args);
  if (move_of(op) == Trilu) args.set(0, op.attrs.i("k"));
  args.set(kTotal, result_elements(op));
  return prepare_kernel(context, "indexed", std::move(args), Grid::for_items(result_elements(op)));
}

constexpr Tactic indexed(std::string_view name, std::string_view op) {
  return {.name = name,
          .op = op,
          .doc = "A thread for each result, any layout, any epilogue.",
          .supports = supports,
          .source = source,
          .load = load};
}

}  // namespace

const Tactic& pad_indexed() {
  static constexpr Tactic tactic = indexed("pad_indexed", "Pad");
  return tactic;
}
const Tactic& tile_indexed() {
  static constexpr Tactic tactic = indexed("tile_indexed", "Tile");
  return tactic;
}
const Tactic& gather_indexed() {
  static constexpr Tactic tactic = indexed("gather_indexed", "Gather");
  return tactic;
}
const Tactic& gather_elements_indexed() {
  static constexpr Tactic tactic = indexed("gather_elements_indexed", "GatherElements");
  return tactic;
}
const Tactic& gather_nd_indexed() {
  static constexpr Tactic tactic = indexed("gather_nd_indexed", "GatherND");
  return tactic;
}
const Tactic& trilu_indexed() {
  static constexpr Tactic tactic = indexed("trilu_indexed", "Trilu");
  return tactic;
}

}  // namespace lathe::cuda
#endif
