// SPDX-License-Identifier: Apache-2.0
// recognise_normalization: layer normalization and its root-mean-square form in the many nodes
// that exporters write become Normalize; a factor and a summand behind it become scale and bias.
//   (x - mean(x)) / sqrt(mean((x - mean(x))^2) + e)  ->  Normalize{layer}(x)
//   x / sqrt(mean(x^2) + e)                          ->  Normalize{rms}(x)
//   x * r + (b - mean(x) * r), r = g / sqrt(...)     ->  Normalize{layer}(x) * g + b
#include <algorithm>

#include "passes/match.h"
#include "passes/pass.h"
#include "passes/term.h"

namespace lathe {
namespace {

struct Core {
  Value* x = nullptr;
  Ints axes;
  double epsilon = 0;
  bool layer = false;
};

// The node behind a term when it is a mean that keeps its axes.
Node* mean_of(Term t) {
  Node* n = made_by(t.tensor(), "Reduce");
  if (!n || n->op.attrs.text("kind") != "mean" || n->op.attrs.i("keepdims") != 1) return nullptr;
  return n->op.attrs.ints("axes").empty() ? nullptr : n;
}

// What the square root is taken of where t is 1 / sqrt(...).
std::optional<Term> under_inverse_root(Term t) {
  if (t.is(ScalarOp::Reciprocal) && t.arg(0).is(ScalarOp::Sqrt)) return t.arg(0).arg(0);
  if (t.is(ScalarOp::Sqrt) && t.arg(0).is(ScalarOp::Reciprocal)) return t.arg(0).arg(0);
  if (t.is(ScalarOp::Div) && t.arg(0).is_literal(1) && t.arg(1).is(ScalarOp::Sqrt)) {
    return t.arg(1).arg(0);
  }
  if (t.is(ScalarOp::Pow) && t.arg(1).literal() == -0.5) return t.arg(0);
  return {};
}

// t = numerator * (mean(numerator^2) + epsilon)^-1/2
bool match_ratio(Term numerator, Term under_root, Core& core) {
  if (!under_root.is(ScalarOp::Add)) return false;
  return under_root.either_order([&](Term variance, Term epsilon) {
    const std::optional<double> e = epsilon.literal();
    Node* mean = mean_of(variance);
    if (!e || !(*e >= 0) || !mean) return false;
    const Product square = product_of(Term::of(mean->in(0)));
    if (square.scale != 1 || square.factors.size() != 2) return false;
    if (!(square.factors[0] == numerator) || !(square.factors[1] == numerator)) return false;
    core.epsilon = *e;
    core.axes = mean->op.attrs.ints("axes");
    return true;
  });
}

bool match_core(Term t, Core& core) {
  Term numerator;
  const bool ratio = (t.is(ScalarOp::Div) && t.arg(1).is(ScalarOp::Sqrt) &&
                      match_ratio(numerator = t.arg(0), t.arg(1).arg(0), core)) ||
                     (t.is(ScalarOp::Mul) && t.either_order([&](Term a, Term b) {
                       const std::optional<Term> under = under_inverse_root(b);
                       return under && match_ratio(numerator = a, *under, core);
                     }));
  if (!ratio) return false;
  // The numerator is x - mean(x) over the same axes, or any tensor.
  if (numerator.is(ScalarOp::Sub)) {
    Node* mean = mean_of(numerator.arg(1));
    if (mean && Term::of(mean->in(0)) == numerator.arg(0) &&
        mean->op.attrs.ints("axes") == core.axes) {
      core.x = mean->in(0);
      core.layer = true;
      return true;
    }
  }
  core.x = numerator.tensor();
  return core.x != nullptr;
}

// What TensorFlow multiplies out: the parts of x * r + (shift - mean(x) * r).
struct Expanded {
  Core core;
  std::optional<Term> scale;  // r without the root; none: the root alone
  Term shift;
};

// r = scale / sqrt(variance of x + epsilon), as the factors of a product.
bool match_spread(std::vector<Term> r, Term x, Term mean, Expanded& found) {
  const auto root =
      std::find_if(r.begin(), r.end(), [](Term t) { return under_inverse_root(t).has_value(); });
  if (root == r.end() || r.size() > 2) return false;
  const Term under = *under_inverse_root(*root);
  r.erase(root);
  if (!r.empty()) found.scale = r[0];
  const Ints axes = found.core.axes;
  return under.either_order([&](Term variance, Term) {
    Node* reduce = mean_of(variance);
    if (!reduce) return false;
    const Product square = product_of(Term::of(reduce->in(0)));
    const Term d = square.factors.empty() ? Term() : square.factors[0];
    return d.is(ScalarOp::Sub) && d.arg(0) == x && d.arg(1) == mean &&
           match_ratio(d, under, found.core) && found.core.axes == axes;
  });
}

bool match_expanded(Term scaled, Term rest, Expanded& found) {
  if (!rest.is(ScalarOp::Sub)) return false;
  const Product with_x = product_of(scaled), with_mean = product_of(rest.arg(1));
  if (with_x.scale != 1 || with_mean.scale != 1) return false;
  for (size_t k = 0; k < with_mean.factors.size(); ++k) {
    const Term mean = with_mean.factors[k];
    Node* reduce = mean_of(mean);
    if (!reduce) continue;
    const Term x = Term::of(reduce->in(0));
    std::vector<Term> r = with_mean.factors, same = with_x.factors;
    r.erase(r.begin() + static_cast<std::ptrdiff_t>(k));
    const auto at = std::find(same.begin(), same.end(), x);
    if (at == same.end()) continue;
    same.erase(at);
    found = {};
    found.core = {x.tensor(), reduce->op.attrs.ints("axes"), 0, true};
    found.shift = rest.arg(0);
    if (r == same && x.tensor() && match_spread(r, x, mean, found)) return true;
  }
  return false;
}

Result<bool> replace_expanded(Rewriter& rw, Node* node) {
  if (!pointwise_expr(node) || is_dead(*node)) return false;
  const Term t = Term::of(node->out());
  Expanded found;
  if (!t.is(ScalarOp::Add) ||
      !t.either_order([&](Term a, Term b) { return match_expanded(a, b, found); })) {
    return false;
  }
  const Core& core = found.core;
  Value* scale = found.scale ? found.scale->tensor() : nullptr;
  Value* shift = found.shift.tensor();
  if ((found.scale && !scale) || !shift) return false;
  if (core.x->type != node->out()->type || !is_float(core.x->type.dtype)) return false;
  rw.before(node);
  Attrs attrs;
  attrs.set("axes", core.axes).set("epsilon", core.epsilon).set("kind", std::string("layer"));
  Value* y = LATHE_TRY(rw.add("Normalize", {core.x}, std::move(attrs), node->name));
  const std::string_view type = to_string(core.x->type.dtype);
  const auto then = [&](std::string_view op, Value* v) {
    return rw.pointwise(fmt::format("(a:{0}, b:{0}) -> {1}(a, b)", type, op), {y, v}, node->name);
  };
  if (scale) y = LATHE_TRY(then("mul", scale));
  rw.replace(node->out(), LATHE_TRY(then("add", shift)));
  return true;
}

Result<bool> replace_core(Rewriter& rw, Node* node) {
  Core core;
  if (!pointwise_expr(node) || is_dead(*node)) return false;
  if (!match_core(Term::of(node->out()), core)) return false;
  if (core.x->type != node->out()->type || !is_float(core.x->type.dtype)) return false;
  rw.before(node);
  Attrs attrs;
  attrs.set("axes", core.axes).set("epsilon", core.epsilon);
  attrs.set("kind", std::string(core.layer ? "layer" : "rms"));
  rw.replace(node->out(), LATHE_TRY(rw.add("Normalize", {core.x}, std::move(attrs), node->name)));
  return true;
}

// The operand may stand as scale or bias: a constant that broadcasts without widening the result.
bool fits(const Value* v, const Node& node) {
  return v->constant() && v->type.dtype == node.out()->type.dtype;
}

// A factor or summand behind a Normalize that has none yet.
Status absorb(Rewriter& rw, Node* node) {
  const bool scales = is_pointwise(node, ScalarOp::Mul), shifts = is_pointwise(node, ScalarOp::Add);
  if ((!scales && !shifts) || is_dead(*node)) return {};
  for (size_t k : {size_t{0}, size_t{1}}) {
    Node* norm = made_by(node->in(k), "Normalize");
    Value* v = node->in(1 - k);
    if (!norm || !norm->out()->read_once() || !fits(v, *node)) continue;
    if (norm->in(2) || (scales && norm->in(1)) || node->out()->type != norm->out()->type) continue;
    std::vector<Value*> operands{norm->in(0), scales ? v : norm->in(1)};
    if (shifts) operands.push_back(v);
    rw.before(node);
    rw.replace(node->out(), LATHE_TRY(rw.add("Normalize", std::move(operands), norm->op.attrs,
                                             joined_names(norm->name, node->name))));
    return {};
  }
  return {};
}

Result<bool> run_recognise_normalization(Graph& graph, const PassOptions&) {
  Rewriter rw(graph);
  for (Node* node : graph.nodes()) {
    if (LATHE_TRY(replace_core(rw, node)) || LATHE_TRY(replace_expanded(rw, node))) continue;
    LATHE_TRY(absorb(rw, node));
  }
  if (rw.changes() > 0) rw.erase_dead();
  return rw.changes() > 0;
}

}  // namespace

const Pass& pass_recognise_normalization() {
  static constexpr Pass pass{
      .name = "recognise_normalization",
      .doc =
          "Layer and root-mean-square normalization written as means, squares and a root become "
          "Normalize, with a constant factor and summand behind it as scale and bias.",
      .run = run_recognise_normalization};
  return pass;
}

}  // namespace lathe
