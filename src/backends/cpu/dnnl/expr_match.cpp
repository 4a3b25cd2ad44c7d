// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/dnnl/expr_match.h"

#include <cmath>
#include <limits>

namespace lathe::cpu {
namespace {

std::optional<Polynomial> sum(std::optional<Polynomial> a, std::optional<Polynomial> b,
                              double sign) {
  if (!a || !b) return std::nullopt;
  for (int k = 0; k <= Polynomial::kDegree; ++k) a->c[k] += sign * b->c[k];
  return a;
}

std::optional<Polynomial> times(const std::optional<Polynomial>& a,
                                const std::optional<Polynomial>& b) {
  if (!a || !b) return std::nullopt;
  Polynomial p;
  for (int i = 0; i <= Polynomial::kDegree; ++i) {
    for (int j = 0; j <= Polynomial::kDegree; ++j) {
      const double term = a->c[i] * b->c[j];
      if (term == 0) continue;
      if (i + j > Polynomial::kDegree) return std::nullopt;
      p.c[i + j] += term;
    }
  }
  return p;
}

Polynomial constant(double value) { return {{value, 0, 0, 0}}; }

}  // namespace

bool is_close(double a, double b) { return std::abs(a - b) <= 1e-6 * std::abs(b); }

int ExprMatch::strip(int n) const {
  while (node(n).op == ScalarOp::Cast && is_float(node(n).dtype) &&
         is_float(node(node(n).args[0]).dtype) && node(n).dtype != DType::F64) {
    n = node(n).args[0];
  }
  return n;
}

std::optional<double> ExprMatch::literal(int n) const {
  const ExprNode& e = node(n);
  if (e.op != ScalarOp::Literal || !is_float(e.dtype)) return std::nullopt;
  return e.value;
}

bool ExprMatch::is_literal(int n, double value) const {
  const std::optional<double> v = literal(n);
  return v && (value == 0 ? *v == 0 : is_close(*v, value));
}

bool ExprMatch::with_literal(int n, ScalarOp op, int* other, double* value) const {
  if (!is(n, op)) return false;
  for (int k = 0; k < 2; ++k) {
    if (const std::optional<double> v = literal(arg(n, k))) {
      *other = arg(n, 1 - k);
      *value = *v;
      return true;
    }
  }
  return false;
}

std::optional<Polynomial> ExprMatch::polynomial(int n, int t) const {
  if (n == t) return Polynomial{{0, 1, 0, 0}};
  if (const auto v = literal(n)) return constant(*v);
  auto of = [&](int k) { return polynomial(arg(n, k), t); };
  switch (node(n).op) {
    case ScalarOp::Add: return sum(of(0), of(1), 1);
    case ScalarOp::Sub: return sum(of(0), of(1), -1);
    case ScalarOp::Neg: return times(of(0), constant(-1));
    case ScalarOp::Mul: return times(of(0), of(1));
    case ScalarOp::Div: {
      const auto v = literal(arg(n, 1));
      if (!v || *v == 0) return std::nullopt;
      return times(of(0), constant(1 / *v));
    }
    case ScalarOp::Pow: {
      const auto p = of(0);
      if (is_literal(arg(n, 1), 2)) return times(p, p);
      if (is_literal(arg(n, 1), 3)) return times(times(p, p), p);
      return std::nullopt;
    }
    default: return std::nullopt;
  }
}

void ExprMatch::multiply(int n, int t, Product& into) const {
  if (const auto v = literal(n); v && n != t) {
    into.scale *= *v;
  } else if (n != t && is(n, ScalarOp::Mul)) {
    multiply(arg(n, 0), t, into);
    multiply(arg(n, 1), t, into);
  } else if (n != t && is(n, ScalarOp::Div) && literal(arg(n, 1)).value_or(0) != 0) {
    into.scale /= *literal(arg(n, 1));
    multiply(arg(n, 0), t, into);
  } else {
    into.factors.push_back(n);
  }
}

Product ExprMatch::product(int n, int t) const {
  Product p;
  multiply(n, t, p);
  return p;
}

bool ExprMatch::clip(int n, int* inner, double* low, double* high) const {
  *low = -std::numeric_limits<double>::infinity();
  *high = -*low;
  int next = n;
  double v = 0;
  const bool max_outside = with_literal(n, ScalarOp::Max, &next, &v);
  if (max_outside) {
    *low = v;
  } else if (with_literal(n, ScalarOp::Min, &next, &v)) {
    *high = v;
  } else {
    return false;
  }
  *inner = next;
  if (with_literal(next, max_outside ? ScalarOp::Min : ScalarOp::Max, inner, &v)) {
    (max_outside ? *high : *low) = v;
  }
  return *low <= *high;  // otherwise the order of max and min matters
}

}  // namespace lathe::cpu
