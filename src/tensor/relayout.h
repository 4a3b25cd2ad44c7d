// SPDX-License-Identifier: Apache-2.0
#pragma once
// The same values in another physical layout, on the host: for constants and for checks.
#include <cstdint>
#include <vector>

#include "tensor/host_tensor.h"

namespace lathe {

// Padding of Blocked16 is zero. LATHE_CHECKs rank >= 3 unless both layouts are RowMajor.
Result<HostTensor> relayout(const HostTensor& tensor, Layout to);

// Where elements lie in the memory of a dense tensor, in elements, whatever its layout.
class ElementPlaces {
 public:
  explicit ElementPlaces(const TensorType& type);
  int64_t of(const int64_t* coordinates) const;

 private:
  Layout layout_;
  std::vector<int64_t> strides_;  // of Blocked16 axis 1: from block to block
};

}  // namespace lathe
