// SPDX-License-Identifier: Apache-2.0
// recognise_softmax: softmax and its logarithm in the nodes that exporters write.
//   e / sum(e) with e = exp(x) or exp(x - max(x))        ->  Softmax(x)
//   d - log(sum(exp(d))) with d = x or x - max(x)        ->  Softmax{log}(x)
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

struct Found {
  Term x;
  int axis;
  bool log;
};

// e / sum, e * (1 / sum) in both orders.
std::optional<Found> plain(Term e, Term sum) {
  const Node* reduce = made_by(sum.tensor(), "Reduce");
  const std::optional<int> axis = reduced_axis(reduce, "sum");
  if (!axis || !e.is(ScalarOp::Exp) || !(Term::of(reduce->in(0)) == e)) return {};
  return Found{without_maximum(e.arg(0), *axis), *axis, false};
}

// d - s, where s is log(sum(exp(d))), one Reduce, two, or three nodes.
std::optional<Found> logarithm(Term d, Term s) {
  const bool apart = s.is(ScalarOp::Log);
  const Node* reduce = made_by((apart ? s.arg(0) : s).tensor(), "Reduce");
  if (!reduce) return {};
  const Term summed = Term::of(reduce->in(0));
  std::optional<int> axis = apart ? std::nullopt : reduced_axis(reduce, "logsumexp");
  if (axis && summed == d) return Found{without_maximum(d, *axis), *axis, true};
  axis = reduced_axis(reduce, apart ? "sum" : "logsum");
  if (!axis || !summed.is(ScalarOp::Exp) || !(summed.arg(0) == d)) return {};
  return Found{without_maximum(d, *axis), *axis, true};
}

std::optional<Found> match(Term t) {
  if (t.is(ScalarOp::Div)) return plain(t.arg(0), t.arg(1));
  if (t.is(ScalarOp::Sub)) return logarithm(t.arg(0), t.arg(1));
  std::optional<Found> found;
  if (t.is(ScalarOp::Mul)) {
    t.either_order([&](Term e, Term inverse) {
      if (inverse.is(ScalarOp::Reciprocal)) found = plain(e, inverse.arg(0));
      return found.has_value();
    });
  }
  return found;
}

Status recognise_softmax_at(Rewriter& rw, Node* node) {
  if (!pointwise_expr(node) || is_dead(*node)) return {};
  const std::optional<Found> found = match(Term::of(node->out()));
  if (!found) return {};
  Value* x = found->x.tensor();
  if (!x || x->type != node->out()->type || !is_float(x->type.dtype)) return {};
  rw.before(node);
  Attrs attrs;
  attrs.set("axis", int64_t{found->axis}).set("log", int64_t{found->log});
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
      .doc =
          "exp(x) / sum(exp(x)) and x - log(sum(exp(x))), with or without the maximum subtracted, "
          "become Softmax and its logarithm.",
      .run = run_recognise_softmax};
  return pass;
}

}  // namespace lathe
