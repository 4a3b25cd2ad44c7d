// SPDX-License-Identifier: Apache-2.0
// recognise_softmax: e / sum(e) with e = exp(x) or exp(x - max(x)) is Softmax.
#include "passes/match.h"
#include "passes/pass.h"
#include "passes/term.h"

namespace lathe {
namespace {

// The one axis that a Reduce of this kind keeps with size 1.
std::optional<int> reduced_axis(const Node* n, std::string_view kind) {
  if (!n || n->op.attrs.text("kind") != kind || n->op.attrs.i("keepdims") != 1) return {};
  const Ints& axes = n->op.attrs.ints("axes");
  if (axes.size() != 1) return {};
  Result<int> axis = normalize_axis(axes[0], n->out()->type.rank());
  return axis.ok() ? std::optional(*axis) : std::nullopt;
}

// x where t is x - max(x) along the axis, else t itself.
Term without_maximum(Term t, int axis) {
  if (!t.is(ScalarOp::Sub)) return t;
  const Node* max = made_by(t.arg(1).tensor(), "Reduce");
  if (reduced_axis(max, "max") != axis || !(Term::of(max->in(0)) == t.arg(0))) return t;
  return t.arg(0);
}

Status recognise_softmax_at(Rewriter& rw, Node* node) {
  if (!pointwise_expr(node) || is_dead(*node)) return {};
  const Term t = Term::of(node->out());
  if (!t.is(ScalarOp::Div) || !t.arg(0).is(ScalarOp::Exp)) return {};
  const Node* sum = made_by(t.arg(1).tensor(), "Reduce");
  const std::optional<int> axis = reduced_axis(sum, "sum");
  if (!axis || !(Term::of(sum->in(0)) == t.arg(0))) return {};
  Value* x = without_maximum(t.arg(0).arg(0), *axis).tensor();
  if (!x || x->type != node->out()->type) return {};
  rw.before(node);
  Attrs attrs;
  attrs.set("axis", int64_t{*axis}).set("log", int64_t{0});
  rw.replace(node->out(), LATHE_TRY(rw.add("Softmax", {x}, std::move(attrs), node->name)));
  return {};
}

Result<bool> run_recognise_softmax(Graph& graph, const PassOptions&) {
  Rewriter rw(graph);
  for (Node* node : graph.nodes()) LATHE_TRY(recognise_softmax_at(rw, node));
  if (rw.changes() > 0) rw.erase_dead();
  return rw.changes() > 0;
}

}  // namespace

const Pass& pass_recognise_softmax() {
  static constexpr Pass pass{
      .name = "recognise_softmax",
      .doc = "exp(x) / sum(exp(x)), with or without the maximum subtracted, becomes Softmax.",
      .run = run_recognise_softmax};
  return pass;
}

}  // namespace lathe
