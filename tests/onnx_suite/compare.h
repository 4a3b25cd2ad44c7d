// SPDX-License-Identifier: Apache-2.0
#pragma once
// Compares a tensor with the suite's, by the suite's own tolerance.
#include "tensor/host_tensor.h"

namespace lathe {

// Type and shape equal, |got - want| <= 1e-7 + 1e-3 |want|; NaN equals NaN.
Status compare(const HostTensor& got, const HostTensor& want);

}  // namespace lathe
