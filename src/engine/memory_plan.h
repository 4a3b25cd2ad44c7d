// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where each activation lives in the arena: a pure function of a plan and the sizes, used by the
// compiler to report and by every session to run. Liveness by step, memory shared in place where
// the plan allows it, offsets by best fit, largest first (Pisarchyk & Lee, arXiv 2001.03288).
#include <cstdint>
#include <vector>

#include "engine/plan.h"

namespace lathe {

struct MemoryPlan {
  static constexpr int64_t kNone = -1;
  std::vector<TensorType> types;  // by tensor: concrete
  std::vector<TensorId> root;     // by tensor: the tensor whose storage holds it
  std::vector<int64_t> offset;    // by tensor: bytes from its root's start
  std::vector<int64_t> place;     // by root: offset in its arena; kNone: constant, input, output
  std::vector<int64_t> bytes;     // by root: storage size
  int64_t device_arena = 0, host_arena = 0;
  int64_t lower_bound = 0;  // largest sum of live activations at any step
};

// Inputs and outputs of the plan have memory of their own and take no arena. Fails on overflow
// and on violated constraints.
Result<MemoryPlan> plan_memory(const Plan& plan, const Bindings& symbols);

// The values of the plan's symbols, from the concrete shapes of its inputs; errors name the
// input, the dimension, the value and what was expected (ranges and constraints checked).
Result<Bindings> bind_symbols(const Plan& plan, std::span<const Shape> input_shapes);

}  // namespace lathe
