// SPDX-License-Identifier: Apache-2.0
#pragma once
// Everything a session works out once for a set of input shapes, and keeps.
#include <memory>
#include <vector>

#include "runtime/engine_state.h"

namespace lathe {

struct ShapePlan {
  std::vector<Shape> inputs;  // the key
  MemoryPlan memory;
  std::vector<PreparedStep> steps;
  int64_t workspace = 0;
  bool capturable = true;
  std::vector<std::vector<void*>> in, out;  // by step: pointers, valid for `bound_to`
  uint64_t bound_to = 0;                    // the session's binding number
  std::unique_ptr<Captured> captured;       // of these pointers
  int runs_bound = 0;                       // since the pointers changed
  bool launched = false;                    // code is loaded, constants are uploaded
};

// Binds symbols, plans memory, prepares every step. Errors name the step.
Result<std::unique_ptr<ShapePlan>> resolve(LoadedEngine::State& engine, std::vector<Shape> inputs,
                                           int threads);

}  // namespace lathe
