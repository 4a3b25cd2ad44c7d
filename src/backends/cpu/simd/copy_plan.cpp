// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/copy_plan.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/simd/expr_kernel.h"
#include "backends/cpu/simd/move_kernels.h"

namespace lathe::cpu {
namespace {

constexpr int64_t kGrainBytes = 1 << 16;  // for each thread: what pays for waking it

// Rows of few bytes: a call of memcpy would cost more than the row.
template <class T>
void copy_short(std::byte* to, int64_t to_row, const std::byte* from, int64_t from_row,
                int64_t rows) {
  for (int64_t r = 0; r < rows; ++r) {
    T word;
    std::memcpy(&word, from + r * from_row, sizeof(T));
    std::memcpy(to + r * to_row, &word, sizeof(T));
  }
}
struct Sixteen {
  uint64_t a, b;
};
struct ThirtyTwo {
  Sixteen a, b;
};

void copy_runs(std::byte* to, int64_t to_row, const std::byte* from, int64_t from_row, int64_t rows,
               int64_t bytes) {
  switch (bytes) {
    case 2: return copy_short<uint16_t>(to, to_row, from, from_row, rows);
    case 4: return copy_short<uint32_t>(to, to_row, from, from_row, rows);
    case 8: return copy_short<uint64_t>(to, to_row, from, from_row, rows);
    case 16: return copy_short<Sixteen>(to, to_row, from, from_row, rows);
    case 32: return copy_short<ThirtyTwo>(to, to_row, from, from_row, rows);
    default:
      for (int64_t r = 0; r < rows; ++r) {
        std::memcpy(to + r * to_row, from + r * from_row, static_cast<size_t>(bytes));
      }
  }
}

}  // namespace

CopyPlan::CopyPlan(Sides s)
    : to_offset_(s.to_offset), from_offset_(s.from_offset), bytes_(s.bytes) {
  nest_ = make_nest(std::move(s.sizes), {std::move(s.to_strides), std::move(s.from_strides)});
  const size_t inner = nest_.sizes.size() - 1;
  if (nest_.strides[0][inner] != 1 || nest_.strides[1][inner] == 1) return;
  for (size_t d = 0; d < inner; ++d) {
    if (nest_.strides[1][d] == 1) across_ = static_cast<int>(d);
  }
}

void CopyPlan::run(void* to, const void* from) const {
  if (nest_.elements() == 0) return;
  auto* t = static_cast<std::byte*>(to) + to_offset_ * bytes_;
  const auto* f = static_cast<const std::byte*>(from) + from_offset_ * bytes_;
  if (across_ >= 0) {
    copy_transposed(t, f);
  } else {
    copy_rows(t, f);
  }
}

void CopyPlan::copy_rows(std::byte* to, const std::byte* from) const {
  const size_t rank = nest_.sizes.size();
  const Planes planes(nest_);
  const int64_t n = nest_.inner(), rows = planes.rows;
  const std::vector<int64_t>&t = nest_.strides[0], &f = nest_.strides[1];
  const bool runs = (t[rank - 1] == 1 && f[rank - 1] == 1) || n == 1;
  const int64_t to_row = rank > 1 ? t[rank - 2] : 0, from_row = rank > 1 ? f[rank - 2] : 0;
  if (rank == 1) {  // one row: parts of it
    return parallel_for(n, kGrainBytes / bytes_, [&](int64_t b, int64_t e) {
      copy_plane({from + b * f[0] * bytes_, to + b * t[0] * bytes_, 0, f[0], 0, t[0]}, 1, e - b,
                 static_cast<size_t>(bytes_));
    });
  }
  const int64_t least = std::max<int64_t>(1, kGrainBytes / (n * bytes_));
  parallel_for(planes.count * rows, least, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t first = begin % rows, count = std::min(end - begin, rows - first);
      int64_t at[2];
      planes.offsets(begin / rows, at);
      std::byte* y = to + (at[0] + first * to_row) * bytes_;
      const std::byte* x = from + (at[1] + first * from_row) * bytes_;
      if (runs) {
        copy_runs(y, to_row * bytes_, x, from_row * bytes_, count, n * bytes_);
      } else {
        copy_plane({x, y, from_row, f[rank - 1], to_row, t[rank - 1]}, count, n,
                   static_cast<size_t>(bytes_));
      }
      begin += count;
    }
  });
}

void CopyPlan::copy_transposed(std::byte* to, const std::byte* from) const {
  constexpr int64_t kTile = 64;
  const size_t rank = nest_.sizes.size(), inner = rank - 1, across = static_cast<size_t>(across_);
  const int64_t columns = nest_.sizes[across], rows = nest_.sizes[inner];
  const int64_t tiles = (columns + kTile - 1) / kTile;
  const int64_t others = nest_.elements() / (columns * rows);
  const int64_t least = std::max<int64_t>(1, kGrainBytes / (kTile * rows * bytes_));
  parallel_for(others * tiles, least, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t tile = begin % tiles, count = std::min(end - begin, tiles - tile);
      int64_t index = begin / tiles, y = 0, x = 0;
      for (size_t d = inner; d-- > 0;) {
        if (d == across) continue;
        const int64_t c = index % nest_.sizes[d];
        index /= nest_.sizes[d];
        y += c * nest_.strides[0][d];
        x += c * nest_.strides[1][d];
      }
      const int64_t j = tile * kTile;
      const int64_t to_stride = nest_.strides[0][across];
      transpose_plane(
          {from + (x + j) * bytes_, nest_.strides[1][inner], to + (y + j * to_stride) * bytes_,
           to_stride, rows, std::min(count * kTile, columns - j)},
          static_cast<size_t>(bytes_));
      begin += count;
    }
  });
}

Support movable(const TensorType& type) {
  if (type.absent()) return Support::yes();
  const int width = bits(type.dtype);
  if (width != 8 && width != 16 && width != 32 && width != 64) {
    return Support::no("elements of 1, 2, 4 or 8 bytes only");
  }
  return Support::yes();
}

Support movable(const OpInstance& op) {
  if (!op.fusion.empty()) return Support::no("bytes move; nothing is computed on the way");
  for (const auto* types : {&op.in, &op.out}) {
    for (const TensorType& t : *types) {
      if (Support s = movable(t); !s) return s;
      if (t.layout == Layout::Blocked16) return Support::no("channels in blocks");
    }
  }
  return Support::yes();
}

Support has_plain_rows(const OpInstance& op) {
  if (op.fusion.sliced()) return Support::no("slices of larger tensors");
  for (const auto* types : {&op.in, &op.out}) {
    for (const TensorType& t : *types) {
      if (t.layout != Layout::RowMajor) return Support::no("row-major tensors only");
    }
  }
  return movable(op);
}

}  // namespace lathe::cpu
