// SPDX-License-Identifier: Apache-2.0
#pragma once
// What stands behind a Model: what was read or built by hand, and its graph.
#include <string>

#include "base/budget.h"
#include "onnx/lowering.h"

namespace lathe {

struct ModelState {
  Draft draft;  // kept so that a build with other input shapes can be lowered anew
  std::string name;
  Graph graph;
  int nodes = 0;
};

// The limits of reading and lowering one model; `bytes` -1: half of the machine's.
BudgetLimits model_limits(int64_t bytes = -1);
Result<Graph> lower_model(const ModelState& model, const LoadOptions& options,
                          int64_t budget_bytes = -1);

}  // namespace lathe
