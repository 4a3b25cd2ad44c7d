// SPDX-License-Identifier: Apache-2.0
// recognise_activation: GELU (erf and tanh), SiLU and HardSwish, however many nodes and whatever
// order of factors the exporter wrote, become one Pointwise with the importer's own expression.
// Backends know these expressions by sight.
#include <cmath>

#include "passes/match.h"
#include "passes/pass.h"
#include "passes/term.h"

namespace lathe {
namespace {

constexpr std::string_view kGeluErf =
    "(a:f32) -> mul(mul(a, 0.5), add(1, erf(mul(a, 0.70710678118654757))))";
constexpr std::string_view kGeluTanh =
    "(a:f32) -> mul(mul(a, 0.5), add(1, tanh(mul(0.79788456080286541, "
    "add(a, mul(0.044714999999999998, mul(a, mul(a, a))))))))";
constexpr std::string_view kSilu = "(a:f32) -> mul(a, sigmoid(a))";
constexpr std::string_view kHardSwish =
    "(a:f32) -> mul(a, max(0, min(1, add(mul(a, 0.16666666666666666), 0.5))))";

bool near(double a, double b) { return std::abs(a - b) <= 1e-3 * std::abs(b); }

// scale * x with this x alone.
bool is_scaled(Term t, Term x, double scale) {
  const Product p = product_of(t);
  return p.factors.size() == 1 && p.factors[0] == x && near(p.scale, scale);
}

// 1 + f(...): the argument of f.
bool one_plus(Term t, ScalarOp f, Term* argument) {
  if (!t.is(ScalarOp::Add)) return false;
  return t.either_order([&](Term one, Term call) {
    if (!one.is_literal(1) || !call.is(f)) return false;
    *argument = call.arg(0);
    return true;
  });
}

// 0.044715 * x^3
bool is_cubic(Term t, Term x) {
  const Product p = product_of(t);
  return p.factors.size() == 3 && p.factors[0] == x && p.factors[1] == x && p.factors[2] == x &&
         near(p.scale, 0.044715);
}

// sqrt(2/pi) * (x + 0.044715 x^3), also as x * (1 + 0.044715 x^2).
bool is_tanh_argument(Term t, Term x) {
  const Product p = product_of(t);
  if (!near(p.scale, 0.79788456)) return false;
  if (p.factors.size() == 1 && p.factors[0].is(ScalarOp::Add)) {
    return p.factors[0].either_order([&](Term a, Term b) { return a == x && is_cubic(b, x); });
  }
  if (p.factors.size() != 2) return false;
  const bool first = p.factors[0] == x;
  const Term sum = p.factors[first ? 1 : 0];
  if (!(p.factors[first ? 0 : 1] == x) || !sum.is(ScalarOp::Add)) return false;
  return sum.either_order([&](Term one, Term square) {
    const Product q = product_of(square);
    return one.is_literal(1) && q.factors.size() == 2 && q.factors[0] == x && q.factors[1] == x &&
           near(q.scale, 0.044715);
  });
}

bool is_clip(Term t, double low, double high, Term* inner) {
  auto bound = [](Term t, ScalarOp op, double value, Term* rest) {
    return t.is(op) && t.either_order([&](Term literal, Term other) {
      const std::optional<double> v = literal.literal();
      if (!v || *v != value) return false;
      *rest = other;
      return true;
    });
  };
  Term middle;
  return (bound(t, ScalarOp::Min, high, &middle) && bound(middle, ScalarOp::Max, low, inner)) ||
         (bound(t, ScalarOp::Max, low, &middle) && bound(middle, ScalarOp::Min, high, inner));
}

// clip(x + 3, 0, 6) / 6 has scale 1/6, clip(x/6 + 1/2, 0, 1) scale 1.
bool is_hard_sigmoid(Term t, Term x, double scale) {
  Term sum;
  for (double top : {6.0, 1.0}) {
    if (!near(scale, 1 / top) || !is_clip(t, 0, top, &sum) || !sum.is(ScalarOp::Add)) continue;
    if (sum.either_order([&](Term half, Term line) {
          return half.is_literal(top / 2) && is_scaled(line, x, top / 6);
        })) {
      return true;
    }
  }
  return false;
}

// x / (1 + exp(-x))
bool is_silu_quotient(Term t) {
  Term argument;
  return t.is(ScalarOp::Div) && one_plus(t.arg(1), ScalarOp::Exp, &argument) &&
         is_scaled(argument, t.arg(0), -1);
}

// Which activation of x the product scale * x * gate is.
std::string_view activation(double scale, Term x, Term gate) {
  Term argument;
  if (near(scale, 0.5) && one_plus(gate, ScalarOp::Erf, &argument)) {
    return is_scaled(argument, x, 0.70710678) ? kGeluErf : "";
  }
  if (near(scale, 0.5) && one_plus(gate, ScalarOp::Tanh, &argument)) {
    return is_tanh_argument(argument, x) ? kGeluTanh : "";
  }
  if (near(scale, 1) && gate.is(ScalarOp::Sigmoid) && gate.arg(0) == x) return kSilu;
  return is_hard_sigmoid(gate, x, scale) ? kHardSwish : "";
}

// The expression computed in f32 and rounded once where the tensor is narrower.
Result<Expr> in_type(std::string_view text, DType type) {
  Expr e = LATHE_TRY(Expr::parse(text));
  if (type == DType::F32) return e;
  Expr narrow({DType::F32});
  narrow.output(narrow.cast(narrow.input(0), type));
  Expr widen({type});
  widen.output(widen.cast(widen.input(0), DType::F32));
  return narrow.inlined(0, e.inlined(0, widen));
}

Status recognise_activation_at(Rewriter& rw, Node* node) {
  if (!pointwise_expr(node) || is_dead(*node)) return {};
  const DType type = node->out()->type.dtype;
  if (type != DType::F32 && type != DType::F16 && type != DType::BF16) return {};
  const Term whole = Term::of(node->out());
  const Product p = product_of(whole);
  const bool quotient = is_silu_quotient(whole);
  if (p.factors.size() != 2 && !quotient) return {};
  for (int first : {0, 1}) {
    const Term x = quotient ? whole.arg(0) : p.factors[static_cast<size_t>(first)];
    const std::string_view text =
        quotient ? kSilu : activation(p.scale, x, p.factors[static_cast<size_t>(1 - first)]);
    Value* operand = x.tensor();
    if (text.empty() || !operand || operand->type != node->out()->type) continue;
    Expr expr = LATHE_TRY(in_type(text, type));
    if (node->operands.size() == 1 && *pointwise_expr(node) == expr.canonical()) return {};
    rw.before(node);
    rw.replace(node->out(), LATHE_TRY(rw.pointwise(std::move(expr), {operand}, node->name)));
    return {};
  }
  return {};
}

Result<bool> run_recognise_activation(Graph& graph, const PassOptions&) {
  Rewriter rw(graph);
  for (Node* node : graph.nodes()) LATHE_TRY(recognise_activation_at(rw, node));
  if (rw.changes() > 0) rw.erase_dead();
  return rw.changes() > 0;
}

}  // namespace

const Pass& pass_recognise_activation() {
  static constexpr Pass pass{
      .name = "recognise_activation",
      .doc =
          "GELU in its erf and tanh forms, SiLU and HardSwish spread over several nodes become "
          "one Pointwise.",
      .run = run_recognise_activation};
  return pass;
}

}  // namespace lathe
