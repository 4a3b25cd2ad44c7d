// SPDX-License-Identifier: Apache-2.0
#pragma once
// MatMul instances as problems for oneDNN's two product primitives.
#include "backends/cpu/dnnl/onednn_prepared.h"

namespace lathe::cpu {

// As a matmul primitive: batches and rows joined where the operands allow it, so that
// [B,S,K] x [K,N] is one product of B*S rows.
OnednnProblem matmul_problem(const OpInstance& op);
// As an inner product: what matmul_problem joins to two dimensions, with constant weights.
OnednnProblem inner_product_problem(const OpInstance& op);

}  // namespace lathe::cpu
