// SPDX-License-Identifier: Apache-2.0
#pragma once
// The same values in another physical layout, on the host: for constants and for checks.
#include "tensor/host_tensor.h"

namespace lathe {

// Padding of Blocked16 is zero. LATHE_CHECKs rank >= 3 unless both layouts are RowMajor.
Result<HostTensor> relayout(const HostTensor& tensor, Layout to);

}  // namespace lathe
