// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "backends/cpu/gemm/gemm.h"

namespace lathe::cpu {

// Rows that operand 0's prologue makes, of a problem whose `prologue` is not empty.
std::shared_ptr<const RowSource> prologue_rows(const OpInstance& op, const GemmProblem& problem);

}  // namespace lathe::cpu
