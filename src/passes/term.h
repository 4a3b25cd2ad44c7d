// SPDX-License-Identifier: Apache-2.0
#pragma once
// A formula that exporters spread over many Pointwise nodes, read as one tree. A Term is one place
// in it: an instruction of an expression, or a tensor that no Pointwise makes.
//
//   Term root = Term::of(y);                          // y = mul(x, sigmoid(x)), in one node or two
//   root.op() == ScalarOp::Mul; root.arg(1).op() == ScalarOp::Sigmoid;
//   root.arg(0) == root.arg(1).arg(0)                 // the same x
#include <optional>
#include <utility>

#include "graph/graph.h"

namespace lathe {

class Term {
 public:
  Term() = default;
  static Term of(Value* v);

  // Input for a tensor that no Pointwise makes.
  ScalarOp op() const;
  bool is(ScalarOp wanted) const { return op() == wanted; }
  int args() const;
  Term arg(int k) const;
  DType dtype() const;
  std::optional<double> literal() const;
  bool is_literal(double value) const;  // to within rounding to f16
  // The tensor that holds this term's values, null when it only exists inside an expression.
  Value* tensor() const;
  friend bool operator==(const Term&, const Term&) = default;

  // The two arguments with `first` matching: f(first, second) is tried in both orders.
  template <class F>
  bool either_order(F&& f) const {
    return args() == 2 && (f(arg(0), arg(1)) || f(arg(1), arg(0)));
  }

 private:
  Value* value_ = nullptr;      // set: a tensor
  const Node* node_ = nullptr;  // else instruction at_ of this node's expression
  int at_ = -1;
  const ExprNode& instruction() const;
};

// A product taken apart: the literal factors multiplied, x * x * 0.5 / 2 being {0.25, {x, x}}.
// Divisions by literals and negations count; other terms stay whole.
struct Product {
  double scale = 1;
  std::vector<Term> factors;
};
Product product_of(Term t);

}  // namespace lathe
