// SPDX-License-Identifier: Apache-2.0
#pragma once
// A fused epilogue as oneDNN's post-operations: the one matcher that all tactics over oneDNN share.
//
//   PostOps post = match_post_ops(op);               // of "add residual, then relu"
//   if (!post.ok()) return Support::no(post.why);
#include <string>
#include <vector>

#include "backends/cpu/dnnl/specs.h"
#include "ops/op.h"

namespace lathe::cpu {

struct PostOps {
  std::vector<PostOp> list;
  std::string why;  // why not; empty when the whole epilogue was matched
  bool ok() const { return why.empty(); }
};

// The epilogue of a concrete instance with one result as a chain of steps on the anchor's result:
// the same values but for rounding, every step in f32. Operands that steps read are described in
// the rank of the result, broadcast dimensions having size 1.
PostOps match_post_ops(const OpInstance& op);

// Operand or result `k` as memory: its layout, inside the larger tensor where it is a slice.
MemorySpec operand_memory(const OpInstance& op, int k);
MemorySpec result_memory(const OpInstance& op, int k);

}  // namespace lathe::cpu
