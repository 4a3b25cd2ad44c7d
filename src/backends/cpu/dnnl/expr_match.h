// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reading an expression as algebra: literals, polynomials in a subexpression, products of factors.
// What recognisers of activation functions are written in.
#include <optional>
#include <vector>

#include "ops/expr.h"

namespace lathe::cpu {

// c[0] + c[1] t + c[2] t^2 + c[3] t^3.
struct Polynomial {
  static constexpr int kDegree = 3;
  double c[kDegree + 1] = {};
  bool is_affine() const { return c[2] == 0 && c[3] == 0; }
};

// scale * product of factors, none of which is a literal.
struct Product {
  double scale = 1;
  std::vector<int> factors;
};

class ExprMatch {
 public:
  explicit ExprMatch(const Expr& expr) : expr_(expr) {}

  const ExprNode& node(int n) const { return expr_.nodes()[static_cast<size_t>(n)]; }
  // `n` without casts from one float type to another: kernels compute them all in f32.
  int strip(int n) const;
  int arg(int n, int k) const { return strip(node(n).args[k]); }
  bool is(int n, ScalarOp op) const { return node(n).op == op; }
  std::optional<double> literal(int n) const;
  bool is_literal(int n, double value) const;
  // The two arguments of a commutative `op`, the literal second.
  bool with_literal(int n, ScalarOp op, int* other, double* value) const;
  std::optional<Polynomial> polynomial(int n, int t) const;
  // Multiplications and divisions by literals taken apart, `t` left whole.
  Product product(int n, int t) const;
  // clip(p, low, high) in either order of max and min; absent bounds are infinite.
  bool clip(int n, int* inner, double* low, double* high) const;

 private:
  void multiply(int n, int t, Product& into) const;
  const Expr& expr_;
};

// Equal as f32 constants that two exporters may have written.
bool is_close(double a, double b);

}  // namespace lathe::cpu
