// SPDX-License-Identifier: Apache-2.0
#pragma once
// Configs that name an answer of a library's heuristic by its rank: "candidate=1".
#include <vector>

#include "device/tactic.h"

namespace lathe::cuda {

// 0 where nothing is said.
int candidate_of(const Config& config);
std::vector<Config> candidates(int count);

}  // namespace lathe::cuda
