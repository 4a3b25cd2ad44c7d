// SPDX-License-Identifier: Apache-2.0
#pragma once
// Conv and Deconv instances as problems for oneDNN.
#include "backends/cpu/dnnl/onednn_prepared.h"

namespace lathe::cpu {

// Layouts are those of the instance; whether oneDNN is fast in them is its to say.
OnednnProblem conv_problem(const OpInstance& op, bool winograd = false);
OnednnProblem deconv_problem(const OpInstance& op);

// Why no tactic over oneDNN takes these tensors: empty ones, types, blocked slices. Empty: fine.
std::string refuse_tensors(const OpInstance& op);

}  // namespace lathe::cpu
