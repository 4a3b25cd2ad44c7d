// SPDX-License-Identifier: Apache-2.0
#pragma once
// A oneDNN primitive as a loaded tactic: weights packed once, operands of post-operations found
// among the instance's. What convolution, deconvolution, product and pooling tactics share.
#include <memory>
#include <string>
#include <vector>

#include "backends/cpu/dnnl/specs.h"
#include "device/tactic.h"

namespace lathe::cpu {

// A problem for oneDNN, or why there is none.
struct OnednnProblem {
  Spec spec;
  std::string why;  // empty: oneDNN is worth asking
  bool ok() const { return why.empty(); }
};

// Whether oneDNN has a fast implementation of the problem.
Support onednn_support(const OnednnProblem& problem);

// "" for oneDNN's first choice, "implementation=NAME" for the next ones, `limit` in all.
std::vector<Config> onednn_configs(const OnednnProblem& problem, size_t limit);

// Operand 1 is the weights of convolutions and products, packed when it is a constant, and operand
// 2 the bias. Names of implementations that this machine lacks give oneDNN's first choice.
Result<std::unique_ptr<Prepared>> load_onednn(const LoadContext& context,
                                              const OnednnProblem& problem);

// Operand k before the anchor, when all that its prologue does is widen or narrow a constant:
// oneDNN converts while it packs. Empty text, or why not.
std::string refuse_prologues(const OpInstance& op);
// Types that the anchor sees and writes, fused or not.
const std::vector<TensorType>& anchor_in(const OpInstance& op);
bool has_operand(const OpInstance& op, int k);  // of the anchor's own
bool is_sliced(const OpInstance& op, int k);
bool is_result_sliced(const OpInstance& op, int k);

}  // namespace lathe::cpu
