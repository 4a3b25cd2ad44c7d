// SPDX-License-Identifier: Apache-2.0
#pragma once
// Convolutions of NHWC pictures as products: a row is an output pixel's window, a column an output
// channel (Chellapilla, Puri and Simard 2006). Windows of one pixel are read where they lie.
#include "backends/cpu/gemm/gemm.h"

namespace lathe::cpu {

GemmProblem conv_gemm(const OpInstance& op, DType type = DType::F32);

}  // namespace lathe::cpu
