// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/nest.h"

#include <algorithm>
#include <numeric>

namespace lathe::cpu {

int64_t Nest::elements() const {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
}

Nest merge_nest(std::vector<int64_t> sizes, std::vector<std::vector<int64_t>> strides) {
  Nest out;
  out.strides.resize(strides.size());
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (sizes[d] == 1) continue;
    bool joins = !out.sizes.empty();
    for (size_t k = 0; joins && k < strides.size(); ++k) {
      joins = out.strides[k].back() == strides[k][d] * sizes[d];
    }
    if (joins) {
      out.sizes.back() *= sizes[d];
    } else {
      out.sizes.push_back(sizes[d]);
    }
    for (size_t k = 0; k < strides.size(); ++k) {
      if (joins) out.strides[k].pop_back();
      out.strides[k].push_back(strides[k][d]);
    }
  }
  const bool empty = std::find(sizes.begin(), sizes.end(), 0) != sizes.end();
  if (out.sizes.empty() || empty) {
    out.sizes.assign(1, empty ? 0 : 1);
    for (auto& s : out.strides) s.assign(1, 1);
  }
  return out;
}

Nest make_nest(std::vector<int64_t> sizes, std::vector<std::vector<int64_t>> strides) {
  std::vector<size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    for (const auto& s : strides) {
      if (s[a] != s[b]) return s[a] > s[b];
    }
    return false;
  });
  auto sorted = [&](const std::vector<int64_t>& v) {
    std::vector<int64_t> out;
    for (size_t d : order) out.push_back(v[d]);
    return out;
  };
  for (auto& s : strides) s = sorted(s);
  return merge_nest(sorted(sizes), std::move(strides));
}

std::vector<int64_t> broadcast_strides(const Shape& shape, std::span<const int64_t> strides,
                                       int rank) {
  std::vector<int64_t> out(static_cast<size_t>(rank), 0);
  const int missing = rank - shape.rank();
  for (int d = 0; d < shape.rank(); ++d) {
    if (shape[d].value() == 1) continue;
    out[static_cast<size_t>(d + missing)] = strides[static_cast<size_t>(d)];
  }
  return out;
}

std::vector<int64_t> loop_sizes(const Shape& shape, bool blocked) {
  std::vector<int64_t> sizes = shape.sizes();
  if (!blocked) return sizes;
  sizes[1] = (sizes[1] + 15) / 16;
  sizes.push_back(16);
  return sizes;
}

std::vector<int64_t> loop_strides(const TensorType& type, std::span<const int64_t> strides,
                                  const Shape& shape, bool blocked) {
  if (!blocked) return broadcast_strides(type.shape, strides, shape.rank());
  if (type.layout != Layout::Blocked16) {
    std::vector<int64_t> out = broadcast_strides(type.shape, strides, shape.rank());
    out.push_back(out[1]);
    out[1] *= 16;
    return out;
  }
  const std::vector<int64_t> sizes = loop_sizes(type.shape, true);
  std::vector<int64_t> out(sizes.size());
  int64_t step = 1;
  for (size_t d = sizes.size(); d-- > 0; step *= sizes[d]) out[d] = sizes[d] == 1 ? 0 : step;
  return out;
}

Planes::Planes(const Nest& in) : nest(in) {
  const size_t rank = nest.sizes.size();
  n = nest.sizes[rank - 1];
  if (rank > 1) rows = nest.sizes[rank - 2];
  for (size_t d = 0; d + 2 < rank; ++d) count *= nest.sizes[d];
}

void Planes::offsets(int64_t index, std::span<int64_t> out) const {
  std::fill(out.begin(), out.end(), 0);
  for (size_t d = nest.sizes.size() - std::min<size_t>(2, nest.sizes.size()); d-- > 0;) {
    const int64_t c = index % nest.sizes[d];
    index /= nest.sizes[d];
    for (size_t k = 0; k < out.size(); ++k) out[k] += c * nest.strides[k][d];
  }
}

}  // namespace lathe::cpu
