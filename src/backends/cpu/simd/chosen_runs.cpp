// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/chosen_runs.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>

#include "backends/cpu/simd/copy_plan.h"
#include "base/parallel.h"
#include "ops/movement.h"

namespace lathe::cpu {
namespace {

template <size_t kBytes>
void move_fixed(std::byte* to, const std::byte* from, size_t) {
  std::memcpy(to, from, kBytes);
}
void move_any(std::byte* to, const std::byte* from, size_t bytes) { std::memcpy(to, from, bytes); }

using Move = void (*)(std::byte* to, const std::byte* from, size_t bytes);

Move move_of(size_t bytes) {
  switch (bytes) {
    case 1: return move_fixed<1>;
    case 2: return move_fixed<2>;
    case 4: return move_fixed<4>;
    case 8: return move_fixed<8>;
    default: return move_any;
  }
}

}  // namespace

ChosenRuns::ChosenRuns(const OpInstance& op)
    : index_sizes_(op.in[1].shape.sizes()),
      bytes_(bits(op.in[0].dtype) / 8),
      is_i32_(op.in[1].dtype == DType::I32) {
  const std::vector<int64_t> sizes = op.in[0].shape.sizes();
  const std::vector<int64_t> strides = row_strides(sizes);
  runs_ = index_sizes_;
  if (op.def->is("GatherND") || op.def->is("ScatterND")) {
    const auto batch = op.def->is("GatherND") ? static_cast<size_t>(op.attrs.i("batch_dims")) : 0;
    const auto last = batch + static_cast<size_t>(runs_.back());
    runs_.pop_back();
    strides_.assign(runs_.size(), 0);
    std::copy_n(strides.begin(), batch, strides_.begin());
    for (size_t d = batch; d < last; ++d) chosen_.push_back({sizes[d], strides[d]});
    for (size_t d = last; d < sizes.size(); ++d) run_ *= sizes[d];
  } else {
    const auto axis = static_cast<size_t>(axis_of(op, op.in[0].rank()));
    strides_ = strides;
    strides_[axis] = 0;
    chosen_.push_back({sizes[axis], strides[axis]});
  }
  for (int64_t n : runs_) count_ *= n;
}

int64_t ChosenRuns::index_at(const void* indices, int64_t at) const {
  return is_i32_ ? static_cast<const int32_t*>(indices)[at]
                 : static_cast<const int64_t*>(indices)[at];
}

int64_t ChosenRuns::base_of(int64_t run) const {
  int64_t base = 0;
  for (size_t d = runs_.size(); d-- > 0; run /= runs_[d]) base += run % runs_[d] * strides_[d];
  return base;
}

constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

// Runs [begin, end). The place of the first index that is out of range, or kNone.
template <class Index>
int64_t ChosenRuns::find(const Index* indices, int64_t* table, int64_t begin, int64_t end) const {
  const int64_t row = runs_.empty() ? 1 : runs_.back(), step = runs_.empty() ? 0 : strides_.back();
  int64_t at = begin * static_cast<int64_t>(chosen_.size());
  for (int64_t run = begin; run < end;) {
    int64_t base = base_of(run);
    const int64_t row_end = std::min(end, (run / row + 1) * row);
    for (; run < row_end; ++run, base += step) {
      int64_t from = base;
      for (const Axis& axis : chosen_) {
        const int64_t index = wrap_index(indices[at], axis.size);
        if (index == kZeroElement) return at;
        from += index * axis.stride;
        ++at;
      }
      table[run] = from;
    }
  }
  return kNone;
}

Status ChosenRuns::find(const void* indices, int64_t* table) const {
  std::atomic<int64_t> first{kNone};
  parallel_for(count_, grain(4), [&](int64_t begin, int64_t end) {
    const int64_t wrong = is_i32_ ? find(static_cast<const int32_t*>(indices), table, begin, end)
                                  : find(static_cast<const int64_t*>(indices), table, begin, end);
    int64_t known = first.load();
    while (wrong < known && !first.compare_exchange_weak(known, wrong)) {
    }
  });
  const int64_t at = first.load();
  if (at == kNone) return {};
  const int64_t size = chosen_[static_cast<size_t>(at) % chosen_.size()].size;
  return invalid("indices{} is {}, expected {} to {}", position(at, index_sizes_),
                 index_at(indices, at), -size, size - 1);
}

void ChosenRuns::gather(const void* x, const int64_t* table, void* y) const {
  const auto length = static_cast<size_t>(run_ * bytes_);
  if (length == 0) return;
  const Move move = move_of(length);
  const auto* from = static_cast<const std::byte*>(x);
  auto* to = static_cast<std::byte*>(y);
  parallel_for(count_, grain(2 + static_cast<double>(length) / 16),
               [&](int64_t begin, int64_t end) {
                 for (int64_t run = begin; run < end; ++run)
                   move(to + static_cast<size_t>(run) * length, from + table[run] * bytes_, length);
               });
}

void ChosenRuns::scatter(const void* updates, const int64_t* table, void* y) const {
  const auto length = static_cast<size_t>(run_ * bytes_);
  if (length == 0) return;
  const Move move = move_of(length);
  const auto* from = static_cast<const std::byte*>(updates);
  auto* to = static_cast<std::byte*>(y);
  for (int64_t run = 0; run < count_; ++run)
    move(to + table[run] * bytes_, from + static_cast<size_t>(run) * length, length);
}

}  // namespace lathe::cpu
