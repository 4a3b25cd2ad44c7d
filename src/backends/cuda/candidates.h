// SPDX-License-Identifier: Apache-2.0
#pragma once
// Configs that name an answer of a library's heuristic by its rank: "candidate=1", or
// "candidate=1 tf32=1" where operands of F32 may be rounded to TF32. The config alone says so,
// since it is what an engine keeps.
#include <vector>

#include "device/tactic.h"

namespace lathe::cuda {

int candidate_of(const Config& config);  // 0 where nothing is said
bool allows_tf32(const Config& config);
// `type`: of the operands.
std::vector<Config> candidates(int count, DType type, const DeviceInfo& device);

}  // namespace lathe::cuda
