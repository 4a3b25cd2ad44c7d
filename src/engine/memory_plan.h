// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where each activation lives in the arena: a pure function of a plan and the sizes, used by the
// compiler to report and by every session to run. Liveness by step, memory shared in place where
// the plan allows it, offsets by best fit, largest first (Pisarchyk & Lee, arXiv 2001.03288).
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/plan.h"

namespace lathe {

struct MemoryPlan {
  static constexpr int64_t kNone = -1;
  std::vector<TensorType> types;  // by tensor: concrete
  std::vector<TensorId> root;     // by tensor: the tensor whose storage holds it
  std::vector<int64_t> offset;    // by tensor: bytes from its root's start
  // By root: offset in its arena; kNone: a constant, an input, or all of an output.
  std::vector<int64_t> place;
  std::vector<int64_t> bytes;  // by root: storage size
  int64_t device_arena = 0, host_arena = 0;
  int64_t lower_bound = 0;  // largest sum of live activations at any step

  // Whether the tensor is all of its root, so that an output's memory may be the root's.
  bool is_whole(TensorId t) const {
    const auto i = static_cast<size_t>(t);
    return offset[i] == 0 && bytes[i] == bytes[static_cast<size_t>(root[i])];
  }
};

// By step: the (output, operand) pairs that may share memory.
using InPlacePairs = std::vector<std::vector<std::pair<int8_t, int8_t>>>;

// Inputs and outputs of the plan have memory of their own and take no arena; an output that is a
// part or a copy of something else is alive to the end instead, to be copied out. `in_place`
// stands for what the steps say; null: what they say. Fails on overflow and on violated
// constraints.
Result<MemoryPlan> plan_memory(const Plan& plan, const Bindings& symbols,
                               const InPlacePairs* in_place = nullptr);

// The values of the plan's symbols, from the concrete shapes of its inputs; errors name the
// input, the dimension, the value and what was expected (ranges and constraints checked).
Result<Bindings> bind_symbols(const Plan& plan, std::span<const Shape> input_shapes);

}  // namespace lathe
