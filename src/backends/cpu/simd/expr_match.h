// SPDX-License-Identifier: Apache-2.0
#pragma once
// Chooses kernels for the nodes of an expression, several nodes for one kernel where there is one.
#include <vector>

#include "backends/cpu/simd/kernel.h"
#include "ops/expr.h"

namespace lathe::cpu {

// What computes a node: kernels that run one after the other, the later ones in place.
struct Selected {
  std::vector<Kernel> kernels;  // none: the node is no instruction, or has its argument's value
  std::vector<int> args;        // nodes
};

// By node; nodes that nothing selected reads have no kernels.
struct Selection {
  std::vector<Selected> nodes;
  std::vector<bool> needed;
};
Selection select_kernels(const Expr& expr);

}  // namespace lathe::cpu
