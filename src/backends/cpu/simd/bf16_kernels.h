// SPDX-License-Identifier: Apache-2.0
#pragma once
// Kernels of processors with BF16 instructions, for values that are rounded to BF16 next: an error
// of 2^-11 of the value is a quarter of that rounding's own, and takes half of the instructions.
#include "backends/cpu/simd/attention_kernels.h"
#include "backends/cpu/simd/kernel.h"

namespace lathe::cpu {

// For StoreBF16 (numbers below 2^-126 become 0, as the processor's products take them), MulSigmoid
// and Gelu; null: the processor or the operation has none.
Kernel bf16_kernel(FloatOp op);

// Probabilities in BF16; null where the processor has none.
using SoftmaxKernel = void (*)(ScoreRow& row);
SoftmaxKernel bf16_softmax();

}  // namespace lathe::cpu
