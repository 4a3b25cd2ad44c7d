// SPDX-License-Identifier: Apache-2.0
// simplify_pointwise: one form for what exporters write in many. A constant operand whose elements
// are equal becomes a literal, an operand given twice is given once, the expression is simplified.
#include <algorithm>

#include "passes/match.h"
#include "passes/pass.h"

namespace lathe {
namespace {

// The operands without the k-th still broadcast to `shape`.
bool shape_without(const std::vector<Value*>& operands, size_t k, const Shape& shape) {
  Shape rest;
  for (size_t i = 0; i < operands.size(); ++i) {
    if (i == k) continue;
    std::vector<std::pair<Dim, Dim>> unproved;
    Result<Shape> joined = broadcast(rest, operands[i]->type.shape, &unproved);
    if (!joined.ok()) return false;
    rest = *std::move(joined);
  }
  return rest == shape;
}

Expr literal_of(const HostTensor& t) {
  Expr e;
  const bool real = is_float(t.dtype());
  e.output(real ? e.literal(t.dtype(), t.get_f64(0)) : e.literal_int(t.dtype(), t.get_i64(0)));
  return e;
}

bool inline_scalars(const Shape& shape, Expr& expr, std::vector<Value*>& operands) {
  bool changed = false;
  for (size_t k = 0; k < operands.size();) {
    if (operands.size() > 1 && splat_constant(operands[k]) && shape_without(operands, k, shape)) {
      expr = expr.inlined(static_cast<int>(k), literal_of(*operands[k]->constant()));
      operands.erase(operands.begin() + static_cast<long>(k));
      changed = true;
    } else {
      ++k;
    }
  }
  return changed;
}

bool merge_repeated(Expr& expr, std::vector<Value*>& operands) {
  std::vector<Value*> unique;
  std::vector<DType> types;
  std::vector<int> map;
  for (Value* v : operands) {
    auto it = std::find(unique.begin(), unique.end(), v);
    map.push_back(static_cast<int>(it - unique.begin()));
    if (it != unique.end()) continue;
    unique.push_back(v);
    types.push_back(v->type.dtype);
  }
  if (unique.size() == operands.size()) return false;
  expr = expr.with_inputs(map, std::move(types));
  operands = std::move(unique);
  return true;
}

Status simplify(Rewriter& rw, Node* node) {
  if (!node->is("Pointwise") || is_dead(*node)) return {};
  const Expr& old = node->op.attrs.expr("expr");
  Expr expr = old;
  std::vector<Value*> operands = node->operands;
  bool changed = inline_scalars(node->out()->type.shape, expr, operands);
  changed = merge_repeated(expr, operands) || changed;
  Expr simple = expr.simplified();
  if (simple.inputs().size() == expr.inputs().size()) {
    changed = changed || !(simple == expr);
    expr = std::move(simple);
  }
  if (!changed) return {};
  rw.before(node);
  Node* n = LATHE_TRY(rw.add_node("Pointwise", std::move(operands),
                                  Attrs().set("expr", std::move(expr)), node->name));
  for (size_t k = 0; k < node->outputs.size(); ++k) {
    if (n->outputs[k]->type != node->outputs[k]->type) return {};
  }
  for (size_t k = 0; k < node->outputs.size(); ++k) rw.replace(node->outputs[k], n->outputs[k]);
  return {};
}

Result<bool> run_simplify_pointwise(Graph& graph, const PassOptions&) {
  Rewriter rw(graph);
  for (Node* node : graph.nodes()) LATHE_TRY(simplify(rw, node));
  rw.erase_dead();
  return rw.changes() > 0;
}

}  // namespace

const Pass& pass_simplify_pointwise() {
  static constexpr Pass pass{
      .name = "simplify_pointwise",
      .doc =
          "Constant operands of equal elements become literals of the expression where the "
          "shape does not need them, an operand given twice is given once, and the expression "
          "is simplified.",
      .run = run_simplify_pointwise};
  return pass;
}

}  // namespace lathe
