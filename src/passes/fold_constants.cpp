// SPDX-License-Identifier: Apache-2.0
// fold_constants: a node whose operands are all constants is run by its reference, once, here.
#include <algorithm>

#include "passes/match.h"
#include "passes/pass.h"

namespace lathe {
namespace {

// Small results are always folded, whatever they are made of.
constexpr int64_t kSmallBytes = 64 << 10;
// References are slow loops: a node of more work than this would hold up the build.
constexpr double kMaxFlops = 4e9;

struct Budget {
  int64_t bytes;
  double flops = 4 * kMaxFlops;
};

// Bytes of what is read and of what would be made; nothing when the node is not to be folded.
bool may_fold(const Node& node, Budget& budget) {
  if (node.is("Constant") || is_dead(node) || !node.regions.empty()) return false;
  if ((node.op.def->flags & (kRandom | kOpaque)) || !node.op.is_concrete()) return false;
  int64_t in = 0, out = 0;
  for (const Value* v : node.operands) {
    if (!v) continue;
    const HostTensor* t = v->constant();
    if (!t || !is_computable(t->dtype())) return false;
    in += static_cast<int64_t>(t->bytes().size());
  }
  for (const TensorType& type : node.op.out) {
    const std::optional<int64_t> size = bytes_of(type);
    if (!size || type.layout != Layout::RowMajor) return false;
    if (*size > (int64_t{1} << 40)) return false;
    out += *size;
  }
  const double flops = cost_of(node.op).flops;
  // Expanding a scalar to megabytes would trade arithmetic for memory traffic: 2x is a widening
  // cast, more is an expansion.
  if (out > kSmallBytes && out > 2 * in) return false;
  if (flops > kMaxFlops || flops > budget.flops || out - in > budget.bytes) return false;
  budget.flops -= flops;
  budget.bytes -= std::max<int64_t>(0, out - in);
  return true;
}

void fold(Rewriter& rw, Node* node) {
  std::vector<HostTensor> in;
  for (const Value* v : node->operands) in.push_back(v ? *v->constant() : HostTensor());
  Result<std::vector<HostTensor>> out = run_reference(node->op, in);
  // What the reference refuses (an index out of range) is refused again when the engine runs.
  if (!out.ok() || out->size() != node->outputs.size()) return;
  rw.before(node);
  for (size_t k = 0; k < out->size(); ++k) {
    if ((*out)[k].type() != node->outputs[k]->type) return;
  }
  for (size_t k = 0; k < out->size(); ++k) {
    rw.replace(node->outputs[k], rw.constant(std::move((*out)[k]), node->name));
  }
}

Result<bool> run_fold_constants(Graph& graph, const PassOptions& options) {
  Rewriter rw(graph);
  Budget budget{options.fold_budget_bytes};
  for (Node* node : graph.nodes()) {
    if (may_fold(*node, budget)) fold(rw, node);
  }
  if (rw.changes() > 0) rw.erase_dead();
  return rw.changes() > 0;
}

}  // namespace

const Pass& pass_fold_constants() {
  static constexpr Pass pass{
      .name = "fold_constants",
      .doc =
          "A node whose operands are all constants becomes a Constant, within a budget of bytes "
          "and of work; large results of small operands (Expand) stay.",
      .run = run_fold_constants};
  return pass;
}

}  // namespace lathe
