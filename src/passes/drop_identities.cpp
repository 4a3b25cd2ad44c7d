// SPDX-License-Identifier: Apache-2.0
// drop_identities: nodes that give their operand back.
#include <algorithm>

#include "passes/match.h"
#include "passes/pass.h"

namespace lathe {
namespace {

bool all_zero(const Dims& dims) {
  return std::all_of(dims.begin(), dims.end(), [](const Dim& d) { return d.is(0); });
}

bool is_sorted_perm(const Ints& perm) { return std::is_sorted(perm.begin(), perm.end()); }

// Output 0 is operand 0, bit for bit.
bool is_identity(const Node& n) {
  if (n.outputs.size() != 1 || !n.in(0) || n.in(0)->type != n.out()->type) return false;
  const Attrs& a = n.op.attrs;
  if (const Expr* e = pointwise_expr(&n)) return e->is_identity();
  if (n.is("Reshape") || n.is("Expand") || n.is("Reorder") || n.is("Tile")) return true;
  if (n.is("Transpose")) return is_sorted_perm(a.ints("perm"));
  if (n.is("Slice")) {
    const Ints& steps = a.ints("steps");  // a whole axis in steps of 1 starts at 0
    return std::all_of(steps.begin(), steps.end(), [](int64_t s) { return s == 1; });
  }
  if (n.is("Pad")) return all_zero(a.dims("before")) && all_zero(a.dims("after"));
  return n.is("Concat") && n.operands.size() == 1;
}

// cast(cast(x)) where the inner cast loses nothing.
Result<Value*> shorter_cast(Rewriter& rw, Node* n) {
  const Expr* outer = pointwise_expr(n);
  if (!outer || n->operands.size() != 1 || !n->in(0)->read_once()) return nullptr;
  Node* first = n->in(0)->producer;
  const Expr* inner = pointwise_expr(first);
  if (!inner || first->operands.size() != 1) return nullptr;
  auto is_cast = [](const Expr& e) {
    const ExprNode& root = e.nodes()[static_cast<size_t>(e.outputs()[0])];
    return e.nodes().size() == 2 && root.op == ScalarOp::Cast;
  };
  if (!is_cast(*outer) || !is_cast(*inner)) return nullptr;
  Expr both = outer->inlined(0, *inner).simplified();
  if (both.is_identity()) return first->in(0);
  if (both.nodes().size() > 2) return nullptr;
  rw.before(n);
  return rw.pointwise(std::move(both), {first->in(0)}, joined_names(first->name, n->name));
}

Result<bool> run_drop_identities(Graph& graph, const PassOptions&) {
  Rewriter rw(graph);
  for (Node* n : graph.nodes()) {
    if (is_dead(*n)) continue;
    if (is_identity(*n)) {
      rw.replace(n->out(), n->in(0));
    } else if (Value* v = LATHE_TRY(shorter_cast(rw, n))) {
      rw.replace(n->out(), v);
    }
  }
  if (rw.changes() > 0) rw.erase_dead();
  return rw.changes() > 0;
}

}  // namespace

const Pass& pass_drop_identities() {
  static constexpr Pass pass{
      .name = "drop_identities",
      .doc =
          "What gives its operand back goes: identity expressions (Dropout), exact cast pairs, "
          "Reshape and Expand to the same shape, Transpose in order, Slice of everything, Pad "
          "by nothing, Concat of one.",
      .run = run_drop_identities};
  return pass;
}

}  // namespace lathe
