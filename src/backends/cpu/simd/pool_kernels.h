// SPDX-License-Identifier: Apache-2.0
#pragma once
// Maxima and means of windows, for vectors of channels.
#include <cstdint>

#include "tensor/dtype.h"

namespace lathe::cpu {

// One output position: `n` neighbouring channels of `taps` input positions, which lie `offsets`
// elements behind x. A maximum with a NaN is NaN. A mean is scale times the sum.
using PoolKernel = void (*)(const void* x, const int64_t* offsets, int64_t taps, int64_t n,
                            float scale, void* y);

// For f32 and bf16; null for other types.
PoolKernel max_pool_kernel(DType type);
PoolKernel mean_pool_kernel(DType type);

}  // namespace lathe::cpu
