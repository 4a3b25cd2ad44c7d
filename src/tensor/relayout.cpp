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
  int64_t at(int64_t o, int64_t c, int64_t i) const {
    switch (layout) {
      case Layout::RowMajor: return (o * channels + c) * inner + i;
      case Layout::ChannelsLast: return (o * inner + i) * channels + c;
      case Layout::Blocked16: return ((o * blocks + c / 16) * inner + i) * 16 + c % 16;
    }
    return 0;
  }
};

}  // namespace

Result<HostTensor> relayout(const HostTensor& tensor, Layout to) {
  if (tensor.type().layout == to) return tensor;
  LATHE_CHECK(tensor.type().rank() >= 3 && is_computable(tensor.dtype()));
  TensorType type = tensor.type();
  type.layout = to;
  HostTensor result = LATHE_TRY(HostTensor::zeros(type));
  const View from_view(tensor.type()), to_view(type);
  const auto size = static_cast<size_t>(bits(type.dtype) / 8);
  const std::byte* from = tensor.bytes().data();
  std::byte* into = result.mutable_bytes().data();
  for (int64_t o = 0; o < from_view.outer; ++o) {
    for (int64_t c = 0; c < from_view.channels; ++c) {
      for (int64_t i = 0; i < from_view.inner; ++i) {
        std::memcpy(into + static_cast<size_t>(to_view.at(o, c, i)) * size,
                    from + static_cast<size_t>(from_view.at(o, c, i)) * size, size);
      }
    }
  }
  return result;
}

}  // namespace lathe
