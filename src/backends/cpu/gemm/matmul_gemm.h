// SPDX-License-Identifier: Apache-2.0
#pragma once
// MatMul by constant weights as one product of all its rows.
#include "backends/cpu/gemm/gemm.h"

namespace lathe::cpu {

GemmProblem matmul_gemm(const OpInstance& op, DType type = DType::F32);

}  // namespace lathe::cpu
