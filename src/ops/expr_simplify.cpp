// SPDX-License-Identifier: Apache-2.0
// Expr::simplified: rewrites that change no bit of any result, NaN payloads aside.
#include <cmath>
#include <optional>

#include "ops/expr.h"
#include "ops/expr_eval.h"

namespace lathe {
namespace {

// Every value of `from` is a value of `to`.
bool embeds(DType from, DType to) {
  if (from == to || from == DType::Bool) return true;
  if (to == DType::Bool) return false;
  auto digits = [](DType t) {
    switch (t) {
      case DType::F64: return 53;
      case DType::F32: return 24;
      case DType::F16: return 11;
      case DType::BF16: return 8;
      default: return bits(t) - (kind(t) == DKind::Int ? 1 : 0);
    }
  };
  if (is_float(from)) {
    return to == DType::F64 || (to == DType::F32 && from != DType::F64);
  }
  if (kind(from) == DKind::Int && kind(to) == DKind::Uint) return false;
  // A sign costs no digit: -128 is exact in bf16.
  return digits(from) <= digits(to);
}

// Rebuilds an expression bottom up, each node simplified given its simplified arguments.
class Simplifier {
 public:
  explicit Simplifier(const Expr& from)
      : from_(from), to_(std::vector<DType>(from.inputs().begin(), from.inputs().end())) {}

  Expr run() {
    std::vector<int> at;
    for (const ExprNode& n : from_.nodes()) {
      int args[3] = {-1, -1, -1};
      for (int k = 0; k < arity(n.op); ++k) args[k] = at[static_cast<size_t>(n.args[k])];
      at.push_back(build(n, args));
    }
    for (int32_t o : from_.outputs()) to_.output(at[static_cast<size_t>(o)]);
    return to_.canonical();
  }

 private:
  // A copy: `to_` grows while it is in use.
  ExprNode node(int index) const { return to_.nodes()[static_cast<size_t>(index)]; }

  int build(const ExprNode& n, const int* args) {
    if (n.op == ScalarOp::Input) return to_.input(n.input);
    if (n.op == ScalarOp::Literal || all_literal(n, args)) return fold(n, args);
    if (n.op == ScalarOp::Cast || n.op == ScalarOp::CastSaturate) {
      return cast(args[0], n.dtype, n.op == ScalarOp::CastSaturate);
    }
    if (auto same = same_as(n, args)) return *same;
    switch (arity(n.op)) {
      case 1: return to_.call(n.op, {args[0]});
      case 2: return to_.call(n.op, {args[0], args[1]});
      default: return to_.call(n.op, {args[0], args[1], args[2]});
    }
  }

  bool all_literal(const ExprNode& n, const int* args) const {
    for (int k = 0; k < arity(n.op); ++k) {
      if (node(args[k]).op != ScalarOp::Literal) return false;
    }
    return true;
  }

  int fold(const ExprNode& n, const int* args) {
    ScalarBits values[3] = {};
    DType type = DType::None;
    for (int k = 0; k < arity(n.op); ++k) {
      ExprNode literal = node(args[k]);
      type = literal.dtype;
      if (is_float(type)) {
        values[k].f = literal.value;
      } else {
        values[k].i = literal.integer;
      }
    }
    ScalarBits result = evaluate_node(n, type, values);
    return is_float(n.dtype) ? to_.literal(n.dtype, result.f) : to_.literal_int(n.dtype, result.i);
  }

  // cast(cast(x: A, B), C)  ->  cast(x, C) where A to B keeps every value
  int cast(int arg, DType to, bool saturate) {
    ExprNode inner = node(arg);
    if (inner.op == ScalarOp::Cast || inner.op == ScalarOp::CastSaturate) {
      DType a = node(inner.args[0]).dtype, b = inner.dtype;
      // Floats saturate on the way to an integer, and integers may wrap.
      bool same_rule = !is_int(a) || !is_float(b) || !is_int(to) || embeds(a, to);
      if (embeds(a, b) && same_rule) return cast(inner.args[0], to, saturate);
    }
    return to_.cast(arg, to, saturate);
  }

  bool is_value(int index, double value) const {
    ExprNode n = node(index);
    if (n.op != ScalarOp::Literal) return false;
    if (!is_float(n.dtype)) return n.integer == static_cast<int64_t>(value);
    return n.value == value && std::signbit(n.value) == std::signbit(value);
  }
  bool is_zero_int(int index) const { return !is_float(node(index).dtype) && is_value(index, 0); }

  // An existing node with the same value, if there is one.
  std::optional<int> same_as(const ExprNode& n, const int* args) {
    switch (n.op) {
      case ScalarOp::Mul: return product(args[0], args[1]);
      case ScalarOp::Add: return sum(args[0], args[1]);
      case ScalarOp::Sub: return difference(args[0], args[1]);
      case ScalarOp::Div: return is_value(args[1], 1) ? std::optional(args[0]) : std::nullopt;
      case ScalarOp::Neg:
      case ScalarOp::Not:
      case ScalarOp::BitNot: return undone(n.op, args[0]);
      case ScalarOp::Abs:
      case ScalarOp::Floor:
      case ScalarOp::Ceil:
      case ScalarOp::Round:
      case ScalarOp::Trunc: return node(args[0]).op == n.op ? std::optional(args[0]) : std::nullopt;
      case ScalarOp::Min:
      case ScalarOp::Max:
      case ScalarOp::And:
      case ScalarOp::Or:
      case ScalarOp::BitAnd:
      case ScalarOp::BitOr: return args[0] == args[1] ? std::optional(args[0]) : std::nullopt;
      case ScalarOp::Select: return selected(args[0], args[1], args[2]);
      default: return std::nullopt;
    }
  }

  std::optional<int> product(int a, int b) const {
    if (is_value(a, 1)) return b;
    if (is_value(b, 1)) return a;
    if (is_zero_int(a)) return a;
    if (is_zero_int(b)) return b;
    return std::nullopt;
  }

  // x + -0 is x for every float x, x + 0 is not (x = -0).
  std::optional<int> sum(int a, int b) const {
    auto neutral = [&](int index) {
      return is_float(node(index).dtype) ? is_value(index, -0.0) : is_value(index, 0);
    };
    if (neutral(a)) return b;
    if (neutral(b)) return a;
    return std::nullopt;
  }

  std::optional<int> difference(int a, int b) {
    if (is_value(b, 0)) return a;
    if (a == b && is_int(node(a).dtype)) return to_.literal_int(node(a).dtype, 0);
    return std::nullopt;
  }

  std::optional<int> undone(ScalarOp op, int arg) const {
    ExprNode inner = node(arg);
    return inner.op == op ? std::optional<int>(inner.args[0]) : std::nullopt;
  }

  std::optional<int> selected(int condition, int yes, int no) const {
    if (yes == no || is_value(condition, 1)) return yes;
    if (is_value(condition, 0)) return no;
    return std::nullopt;
  }

  const Expr& from_;
  Expr to_;
};

}  // namespace

Expr Expr::simplified() const { return Simplifier(*this).run(); }

}  // namespace lathe
