// SPDX-License-Identifier: Apache-2.0
#include "tensor/relayout.h"

#include <cstring>

namespace lathe {
namespace {

// A tensor of rank >= 3 as [outer, channels, inner], which every layout can be read as.
struct View {
  int64_t outer, channels, inner, blocks;
  Layout layout;

  View(const TensorType& type) : outer(1), channels(1), inner(1), layout(type.layout) {
    const std::vector<int64_t> sizes = type.shape.sizes();
    if (!sizes.empty()) outer = sizes[0];
    if (sizes.size() > 1) channels = sizes[1];
    for (size_t d = 2; d < sizes.size(); ++d) inner *= sizes[d];
    blocks = (channels + 15) / 16;
  }
  // Where element (o, c, 0) is, and how far it is to the next along `inner`.
  int64_t first(int64_t o, int64_t c) const {
    switch (layout) {
      case Layout::RowMajor: return (o * channels + c) * inner;
      case Layout::ChannelsLast: return o * inner * channels + c;
      case Layout::Blocked16: return (o * blocks + c / 16) * inner * 16 + c % 16;
      case Layout::TokensFirst: break;  // move_rows()
    }
    return 0;
  }
  int64_t step() const {
    return layout == Layout::RowMajor ? 1 : layout == Layout::ChannelsLast ? channels : 16;
  }
};

template <class T>
void move(const View& from_view, const std::byte* from, const View& to_view, std::byte* to) {
  const auto* x = reinterpret_cast<const T*>(from);
  auto* y = reinterpret_cast<T*>(to);
  const int64_t x_step = from_view.step(), y_step = to_view.step();
  for (int64_t o = 0; o < from_view.outer; ++o) {
    for (int64_t c = 0; c < from_view.channels; ++c) {
      const T* a = x + from_view.first(o, c);
      T* b = y + to_view.first(o, c);
      for (int64_t i = 0; i < from_view.inner; ++i) b[i * y_step] = a[i * x_step];
    }
  }
}

// Between RowMajor and TokensFirst, which both keep rows of the last dimension together.
void move_rows(const HostTensor& tensor, bool tokens_first, std::byte* to) {
  const std::vector<int64_t> sizes = tensor.type().shape.sizes();
  const size_t rank = sizes.size(), bytes = tensor.bytes().size();
  if (bytes == 0) return;
  // Read as [outer, first, second, row], written with the middle two exchanged.
  size_t first = static_cast<size_t>(sizes[rank - 3]),
         second = static_cast<size_t>(sizes[rank - 2]);
  const size_t row = static_cast<size_t>(sizes[rank - 1] * bits(tensor.dtype()) / 8);
  const size_t outer = bytes / (first * second * row);
  if (!tokens_first) std::swap(first, second);
  const std::byte* from = tensor.bytes().data();
  for (size_t o = 0; o < outer; ++o) {
    for (size_t a = 0; a < first; ++a) {
      for (size_t b = 0; b < second; ++b, from += row) {
        std::memcpy(to + ((o * second + b) * first + a) * row, from, row);
      }
    }
  }
}

}  // namespace

ElementPlaces::ElementPlaces(const TensorType& type) : layout_(type.layout) {
  const std::vector<int64_t> sizes = type.shape.sizes();
  if (layout_ != Layout::Blocked16) {
    strides_ = strides(type);
    return;
  }
  // [N, C, s...] as [N, blocks, s..., 16]
  strides_.assign(sizes.size(), 0);
  int64_t inner = 16;
  for (size_t d = sizes.size(); d-- > 2;) {
    strides_[d] = inner;
    inner *= sizes[d];
  }
  strides_[1] = inner;
  strides_[0] = (sizes[1] + 15) / 16 * inner;
}

int64_t ElementPlaces::of(const int64_t* coordinates) const {
  int64_t at = 0;
  for (size_t d = 0; d < strides_.size(); ++d) {
    const int64_t c = coordinates[d];
    at += layout_ == Layout::Blocked16 && d == 1 ? c / 16 * strides_[d] + c % 16 : c * strides_[d];
  }
  return at;
}

Result<HostTensor> relayout(const HostTensor& tensor, Layout to) {
  if (tensor.type().layout == to) return tensor;
  LATHE_CHECK(tensor.type().rank() >= 3 && is_computable(tensor.dtype()));
  const Layout own = tensor.type().layout;
  TensorType type = tensor.type();
  type.layout = to;
  if (own == Layout::TokensFirst || to == Layout::TokensFirst) {
    if (own != Layout::RowMajor && to != Layout::RowMajor)
      return relayout(LATHE_TRY(relayout(tensor, Layout::RowMajor)), to);
    HostTensor result = LATHE_TRY(HostTensor::make(type));
    move_rows(tensor, to == Layout::TokensFirst, result.mutable_bytes().data());
    return result;
  }
  const bool padded = to == Layout::Blocked16;  // with zeros
  HostTensor result = LATHE_TRY(padded ? HostTensor::zeros(type) : HostTensor::make(type));
  const View from_view(tensor.type()), to_view(type);
  const std::byte* from = tensor.bytes().data();
  std::byte* into = result.mutable_bytes().data();
  switch (bits(type.dtype)) {
    case 8: move<uint8_t>(from_view, from, to_view, into); break;
    case 16: move<uint16_t>(from_view, from, to_view, into); break;
    case 32: move<uint32_t>(from_view, from, to_view, into); break;
    default: move<uint64_t>(from_view, from, to_view, into); break;
  }
  return result;
}

}  // namespace lathe
