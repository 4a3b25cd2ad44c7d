// SPDX-License-Identifier: Apache-2.0
// reduce: sums, means, extremes and the like over any axes in f32: rows where memory is contiguous
// along a reduced axis, columns of accumulators where it is contiguous along a kept one.
#include <algorithm>
#include <array>
#include <cmath>

#include "backends/cpu/simd/reduce_plan.h"
#include "backends/cpu/simd/row_kernels.h"

namespace lathe::cpu {
namespace {

constexpr int64_t kBlock = 2048;  // floats summed in f32 at a time; of a strip of columns
constexpr int64_t kFlush = 64;    // rows added up in f32 before their sum moves on

// What is folded, and what makes the result of it.
struct Recipe {
  float neutral = 0;
  bool adds = true;  // parts are added in double; otherwise joined by `row`
  float (*row)(const float*, size_t) = nullptr;
  void (*column)(const float*, float*, size_t) = nullptr;
};

float sum_squares_row(const float* x, size_t n) { return row_kernels().sum_squares(x, 0, n); }

Recipe recipe_of(const std::string& kind) {
  const RowKernels& k = row_kernels();
  if (kind == "max") return {-HUGE_VALF, false, k.max, k.maximum};
  if (kind == "min") return {HUGE_VALF, false, k.min, k.minimum};
  if (kind == "prod") return {1, false, k.product, k.multiply};
  if (kind == "l1") return {0, true, k.sum_abs, k.add_abs};
  if (kind == "l2" || kind == "sumsquare") return {0, true, sum_squares_row, k.add_square};
  return {0, true, k.sum, k.add};
}

class PreparedReduce : public Prepared {
 public:
  explicit PreparedReduce(const OpInstance& op)
      : plan_(op), recipe_(recipe_of(op.attrs.text("kind"))), slots_(thread_count()) {
    const std::string& kind = op.attrs.text("kind");
    if (kind == "mean") divisor_ = static_cast<double>(plan_.length);
    last_ = kind == "l2" ? Last::Root : kind == "logsum" ? Last::Log : Last::Nothing;
    shares_rows_ = plan_.columns && pays_to_share_rows();
    const int64_t copies = shares_rows_ ? 1 + slots_ : 1;
    workspace_bytes = static_cast<size_t>(plan_.kept.elements() * copies) * sizeof(float);
  }

  Status launch(const Buffers& at, Stream&) const override {
    auto* result = static_cast<float*>(at.workspace);
    const int64_t kept = plan_.kept.elements();
    if (kept == 0) return {};
    if (shares_rows_) {
      share_rows(at, result);
    } else if (plan_.columns) {
      reduce_columns(at, result);
    } else {
      const int64_t least = std::max<int64_t>(1, grain(1) / std::max<int64_t>(1, plan_.length));
      const bool short_rows = plan_.plain_rows() && plan_.length <= kBlock;
      parallel_for(kept, least, [&](int64_t b, int64_t e) {
        if (short_rows) return reduce_short_rows(at, result, b, e);
        for (int64_t i = b; i < e; ++i) result[i] = finish(reduce_row(at, i));
      });
    }
    plan_.write(at, result);
    return {};
  }

 private:
  double join(double a, float b) const {
    if (recipe_.adds) return a + b;
    const float both[] = {static_cast<float>(a), b};
    return recipe_.row(both, 2);
  }

  float finish(double v) const {
    v /= divisor_;
    if (last_ == Last::Root) v = std::sqrt(v);
    if (last_ == Last::Log) v = std::log(v);
    return static_cast<float>(v);
  }

  void reduce_short_rows(const Buffers& at, float* result, int64_t begin, int64_t end) const {
    const auto n = static_cast<size_t>(plan_.length);
    const float* x = static_cast<const float*>(at.in[0]) + begin * plan_.row_stride();
    for (int64_t i = begin; i < end; ++i, x += plan_.row_stride()) {
      result[i] = finish(recipe_.row(x, n));
    }
  }

  double reduce_row(const Buffers& at, int64_t index) const {
    double total = recipe_.neutral;
    plan_.for_each_run(at, index, [&](const float* x, int64_t n) {
      for (int64_t i = 0; i < n; i += kBlock) {
        total = join(total, recipe_.row(x + i, static_cast<size_t>(std::min(kBlock, n - i))));
      }
    });
    return total;
  }

  int64_t strips_of_plane() const { return (plan_.kept.inner() + kBlock - 1) / kBlock; }
  int64_t planes() const { return plan_.kept.elements() / plan_.kept.inner(); }

  // Few results of many rows each, as in a global pool of NHWC: a thread that takes whole rows
  // reads what it most likely wrote itself, while a share of the columns is scattered over all
  // caches.
  bool pays_to_share_rows() const {
    return slots_ > 1 && plan_.kept.elements() > 0 && planes() * strips_of_plane() < 2 * slots_ &&
           plan_.length >= 8 * slots_ && plan_.length * plan_.kept.elements() >= 2 * grain(1);
  }

  // Each slot has sums of its own over its rows; they are joined in the slots' order.
  void share_rows(const Buffers& at, float* result) const {
    const int64_t kept = plan_.kept.elements();
    float* own = result + kept;  // [slots_][kept]
    parallel_for(slots_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t slot = begin; slot < end; ++slot) {
        const int64_t first = plan_.length * slot / slots_;
        const int64_t last = plan_.length * (slot + 1) / slots_;
        for (int64_t p = 0; p < planes(); ++p) {
          strips(at, {p, 0, plan_.kept.inner(), first, last}, own + slot * kept);
        }
      }
    });
    for (int64_t slot = 1; slot < slots_; ++slot) join_columns(own + slot * kept, own, kept);
    for (int64_t i = 0; i < kept; ++i) result[i] = finish(own[i]);
  }

  // Strips of columns; threads share the kept planes, or the columns where there are few planes.
  void reduce_columns(const Buffers& at, float* result) const {
    const int64_t width = plan_.kept.inner();
    const int64_t threads = thread_count();
    const int64_t pieces = planes() * strips_of_plane() >= 2 * threads
                               ? strips_of_plane()
                               : std::max(strips_of_plane(), std::min(threads, width / 32 + 1));
    const int64_t piece = (width + pieces - 1) / pieces;
    const int64_t least =
        std::max<int64_t>(1, grain(1) / std::max<int64_t>(1, plan_.length * piece));
    parallel_for(planes() * pieces, least, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) {
        const int64_t first = i % pieces * piece, last = std::min(width, first + piece);
        if (first >= last) continue;
        strips(at, {i / pieces, first, last - first, 0, plan_.length}, result);
        float* to = result + i / pieces * width;
        for (int64_t c = first; c < last; ++c) to[c] = finish(to[c]);
      }
    });
  }

  // The sums of a strip of any width to their places among `results`, not finished.
  void strips(const Buffers& at, const ReducePlan::Strip& wide, float* results) const {
    for (int64_t c = 0; c < wide.n; c += kBlock) {
      ReducePlan::Strip part = wide;
      part.column += c;
      part.n = std::min(kBlock, wide.n - c);
      strip(at, part, results + part.plane * plan_.kept.inner() + part.column);
    }
  }

  void strip(const Buffers& at, const ReducePlan::Strip& s, float* total) const {
    std::array<float, kBlock> near;
    std::fill_n(total, s.n, recipe_.neutral);
    std::fill_n(near.begin(), s.n, recipe_.neutral);
    int64_t pending = 0;
    const auto count = static_cast<size_t>(s.n);
    auto flush = [&] {
      join_columns(near.data(), total, s.n);
      std::fill_n(near.begin(), s.n, recipe_.neutral);
      pending = 0;
    };
    plan_.for_each_rows(at, s, [&](const float* x, int64_t stride, int64_t rows) {
      while (rows > 0) {
        const int64_t now = std::min(rows, kFlush - pending);
        add_rows(x, stride, now, near.data(), count);
        x += now * stride, rows -= now, pending += now;
        if (pending == kFlush) flush();
      }
    });
    flush();
  }

  // Joins what was folded of other rows.
  void join_columns(const float* part, float* total, int64_t n) const {
    const auto column = recipe_.adds ? row_kernels().add : recipe_.column;
    column(part, total, static_cast<size_t>(n));
  }

  void add_rows(const float* x, int64_t stride, int64_t rows, float* acc, size_t n) const {
    const RowKernels& k = row_kernels();
    if (recipe_.column == k.add) {
      return k.add_rows(x, static_cast<size_t>(stride), static_cast<size_t>(rows), acc, n);
    }
    for (int64_t r = 0; r < rows; ++r) recipe_.column(x + r * stride, acc, n);
  }

  ReducePlan plan_;
  Recipe recipe_;
  int slots_;
  bool shares_rows_ = false;
  enum class Last : uint8_t { Nothing, Root, Log } last_ = Last::Nothing;
  double divisor_ = 1;
};

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (op.attrs.text("kind") == "logsumexp") return Support::no("another tactic's kind");
  return ReducePlan::supports(op);
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(std::make_unique<PreparedReduce>(context.op));
}

}  // namespace

const Tactic& reduce() {
  static constexpr Tactic tactic{
      .name = "reduce",
      .op = "Reduce",
      .doc = "Floats over any axes, along rows or columns of memory, with prologue and epilogue.",
      .supports = supports,
      .load = load,
      .version = 2,
  };
  return tactic;
}

}  // namespace lathe::cpu
