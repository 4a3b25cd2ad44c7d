// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/indexed_copy.h"

#include <algorithm>
#include <cstring>

#include "base/parallel.h"

namespace lathe::cpu {
namespace {

// Runs of `run` bytes from the places in the table to places one stride apart.
struct Lookup {
  const std::byte* from;
  std::byte* to;
  const int64_t* table;
  int64_t to_stride, bytes, run;  // stride in bytes; bytes of an element
};

template <class T>
void look_up(const Lookup& l, int64_t begin, int64_t end) {
  int64_t i = begin;
  if (l.to_stride == static_cast<int64_t>(sizeof(T))) {  // pairs of one element: upsampling by two
    for (; i + 1 < end && l.table[i] == l.table[i + 1]; i += 2) {
      T pair[2];
      std::memcpy(pair, l.from + l.table[i] * l.bytes, sizeof(T));
      pair[1] = pair[0];
      std::memcpy(l.to + i * l.to_stride, pair, sizeof(pair));
    }
  }
  for (; i < end; ++i) {
    T value;
    std::memcpy(&value, l.from + l.table[i] * l.bytes, sizeof(T));
    std::memcpy(l.to + i * l.to_stride, &value, sizeof(T));
  }
}

void look_up_runs(const Lookup& l, int64_t begin, int64_t end) {
  switch (l.run) {
    case 1: return look_up<uint8_t>(l, begin, end);
    case 2: return look_up<uint16_t>(l, begin, end);
    case 4: return look_up<uint32_t>(l, begin, end);
    case 8: return look_up<uint64_t>(l, begin, end);
    default:
      for (int64_t i = begin; i < end; ++i) {
        std::memcpy(l.to + i * l.to_stride, l.from + l.table[i] * l.bytes,
                    static_cast<size_t>(l.run));
      }
  }
}

}  // namespace

IndexedCopy::IndexedCopy(std::vector<Axis> axes, int64_t bytes) : bytes_(bytes), count_(1) {
  std::stable_sort(axes.begin(), axes.end(),
                   [](const Axis& a, const Axis& b) { return a.to_stride > b.to_stride; });
  std::erase_if(axes, [](const Axis& a) {
    return a.size == 1 && !a.at_launch && (a.table.empty() || a.table[0] == 0);
  });
  while (!axes.empty()) {
    const Axis& last = axes.back();
    const bool plain = last.table.empty() && !last.at_launch;
    if (!plain || last.to_stride != run_ || last.from_stride != run_) break;
    run_ *= last.size;
    axes.pop_back();
  }
  if (axes.empty()) axes.emplace_back();
  for (Axis& a : axes) {
    count_ *= a.size;
    if (a.at_launch || !a.table.empty()) continue;
    for (int64_t c = 0; c < a.size; ++c) a.table.push_back(c * a.from_stride);
  }
  count_ *= run_ > 0;
  axes_ = std::move(axes);
}

void IndexedCopy::run(void* to, const void* from, std::span<const int64_t> launch_table) const {
  if (count_ == 0) return;
  constexpr int64_t kGrainBytes = 1 << 15;
  auto table = [&](const Axis& a) { return a.at_launch ? launch_table.data() : a.table.data(); };
  const Axis& inner = axes_.back();
  const int64_t least = std::max<int64_t>(1, kGrainBytes / (run_ * bytes_));
  parallel_for(count_, least, [&](int64_t begin, int64_t end) {
    const std::byte *previous = nullptr, *previous_row = nullptr;
    while (begin < end) {
      const int64_t first = begin % inner.size, last = std::min(inner.size, first + end - begin);
      int64_t index = begin / inner.size, y = 0, x = 0;
      for (size_t d = axes_.size() - 1; d-- > 0;) {
        const int64_t c = index % axes_[d].size;
        index /= axes_[d].size;
        y += c * axes_[d].to_stride;
        x += table(axes_[d])[c];
      }
      const Lookup l{static_cast<const std::byte*>(from) + x * bytes_,
                     static_cast<std::byte*>(to) + y * bytes_,
                     table(inner),
                     inner.to_stride * bytes_,
                     bytes_,
                     run_ * bytes_};
      // A dense row that repeats the one before it is copied from there.
      const bool whole = first == 0 && last == inner.size && inner.to_stride == run_;
      const std::byte* source = l.from;
      if (whole && source == previous) {
        std::memcpy(l.to, previous_row, static_cast<size_t>(last * l.run));
      } else {
        look_up_runs(l, first, last);
      }
      previous = whole ? source : nullptr;
      previous_row = l.to;
      begin += last - first;
    }
  });
}

}  // namespace lathe::cpu
