// SPDX-License-Identifier: Apache-2.0
#include "passes/term.h"

#include <cmath>

#include "passes/match.h"

namespace lathe {

Term Term::of(Value* v) {
  Term t;
  if (const Expr* e = v ? pointwise_expr(v->producer) : nullptr) {
    t.node_ = v->producer;
    t.at_ = e->outputs()[0];
    // A copy of an operand (an identity, or an input given out as it is) is that operand.
    if (t.instruction().op == ScalarOp::Input)
      return of(v->producer->in(static_cast<size_t>(t.instruction().input)));
    return t;
  }
  t.value_ = v;
  return t;
}

const ExprNode& Term::instruction() const {
  return pointwise_expr(node_)->nodes()[static_cast<size_t>(at_)];
}

ScalarOp Term::op() const { return node_ ? instruction().op : ScalarOp::Input; }

int Term::args() const { return node_ ? arity(op()) : 0; }

Term Term::arg(int k) const {
  const int at = instruction().args[k];
  const ExprNode& n = pointwise_expr(node_)->nodes()[static_cast<size_t>(at)];
  if (n.op == ScalarOp::Input) return of(node_->in(static_cast<size_t>(n.input)));
  Term t;
  t.node_ = node_;
  t.at_ = at;
  return t;
}

DType Term::dtype() const {
  if (node_) return instruction().dtype;
  return value_ ? value_->type.dtype : DType::None;
}

std::optional<double> Term::literal() const {
  if (!node_) return splat_constant(value_);
  const ExprNode& n = instruction();
  if (n.op != ScalarOp::Literal) return {};
  return is_float(n.dtype) ? n.value : static_cast<double>(n.integer);
}

bool Term::is_literal(double value) const {
  const std::optional<double> v = literal();
  return v && std::abs(*v - value) <= 1e-3 * std::abs(value);
}

Value* Term::tensor() const {
  if (!node_) return value_;
  return pointwise_expr(node_)->outputs()[0] == at_ ? node_->out() : nullptr;
}

namespace {

constexpr int kMaxFactors = 16;

void collect(Term t, Product& p) {
  if (std::optional<double> v = t.literal()) {
    p.scale *= *v;
  } else if (t.is(ScalarOp::Neg)) {
    p.scale = -p.scale;
    collect(t.arg(0), p);
  } else if (t.is(ScalarOp::Mul) && p.factors.size() < kMaxFactors) {
    collect(t.arg(0), p);
    collect(t.arg(1), p);
  } else if (t.is(ScalarOp::Div) && t.arg(1).literal()) {
    p.scale /= *t.arg(1).literal();
    collect(t.arg(0), p);
  } else if (t.is(ScalarOp::Pow) && t.arg(1).is_literal(2)) {
    p.factors.insert(p.factors.end(), 2, t.arg(0));
  } else if (t.is(ScalarOp::Pow) && t.arg(1).is_literal(3)) {
    p.factors.insert(p.factors.end(), 3, t.arg(0));
  } else {
    p.factors.push_back(t);
  }
}

}  // namespace

Product product_of(Term t) {
  Product p;
  collect(t, p);
  return p;
}

}  // namespace lathe
