// SPDX-License-Identifier: Apache-2.0
#pragma once
// Configs that name an answer of a library's heuristic by its rank: "candidate=1", or
// "candidate=1 tf32=1" where operands of F32 may be rounded to TF32.
#include <vector>

#include "device/tactic.h"

namespace lathe::cuda {

int candidate_of(const Config& config);  // 0 where nothing is said
// `type`: of the operands. With TF32 allowed, F32 has both kinds: TF32 is taken where it is faster.
std::vector<Config> candidates(int count, DType type, const DeviceInfo& device);

}  // namespace lathe::cuda
