// SPDX-License-Identifier: Apache-2.0
// The scalar operations' facts, the builders of Expr, and its verifier.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "ops/expr.h"
#include "ops/expr_eval.h"

namespace lathe {
namespace {

enum class Kinds : uint8_t { N, F, I, B, A };
enum class Gives : uint8_t { T, B };
struct Facts {
  std::string_view text;
  int arity;
  Kinds kinds;
  Gives gives;
};

constexpr Facts kFacts[] = {
    {"input", 0, Kinds::A, Gives::T},
    {"literal", 0, Kinds::A, Gives::T},
    {"cast", 1, Kinds::A, Gives::T},
    {"cast_sat", 1, Kinds::A, Gives::T},
#define SCALAR(name, text, arity, kinds, result, doc) {text, arity, Kinds::kinds, Gives::result},
#include "ops/scalar_ops.def"
#undef SCALAR
};

const Facts& facts(ScalarOp op) {
  LATHE_CHECK(static_cast<size_t>(op) < std::size(kFacts));
  return kFacts[static_cast<size_t>(op)];
}

bool fits(Kinds kinds, DType type) {
  if (!is_computable(type)) return false;
  switch (kinds) {
    case Kinds::N: return type != DType::Bool;
    case Kinds::F: return is_float(type);
    case Kinds::I: return is_int(type);
    case Kinds::B: return type == DType::Bool;
    case Kinds::A: return true;
  }
  return false;
}

bool is_call(ScalarOp op) { return op > ScalarOp::CastSaturate; }

Status verify_node(const ExprNode& node, int index, std::span<const DType> inputs,
                   std::span<const ExprNode> nodes) {
  if (static_cast<size_t>(node.op) >= std::size(kFacts)) return invalid("no such scalar function");
  DType types[3] = {};
  int count = arity(node.op);
  for (int k = 0; k < 3; ++k) {
    if (k >= count && node.args[k] != -1) return invalid("an argument too many");
    if (k >= count) continue;
    if (node.args[k] < 0 || node.args[k] >= index) return invalid("arguments must come earlier");
    types[k] = nodes[static_cast<size_t>(node.args[k])].dtype;
  }
  if (!is_computable(node.dtype)) {
    return invalid("{} is not a type to compute with", to_string(node.dtype));
  }
  if (node.op == ScalarOp::Input) {
    if (node.input < 0 || static_cast<size_t>(node.input) >= inputs.size()) {
      return invalid("input {} of {}", node.input, inputs.size());
    }
    if (inputs[static_cast<size_t>(node.input)] != node.dtype)
      return invalid("input of another type");
  } else if (is_call(node.op)) {
    DType expected = LATHE_TRY(result_type(node.op, {types, static_cast<size_t>(count)}));
    if (expected != node.dtype)
      return invalid("{} gives {}", to_string(node.op), to_string(expected));
  }
  return {};
}

}  // namespace

std::string_view to_string(ScalarOp op) { return facts(op).text; }
int arity(ScalarOp op) { return facts(op).arity; }

Result<DType> result_type(ScalarOp op, std::span<const DType> args) {
  const Facts& f = facts(op);
  LATHE_CHECK(is_call(op));
  if (args.size() != static_cast<size_t>(f.arity)) {
    return invalid("{} takes {} arguments, not {}", f.text, f.arity, args.size());
  }
  std::span<const DType> same = args;
  if (op == ScalarOp::Select) {
    if (args[0] != DType::Bool) {
      return invalid("select: the condition must be bool, not {}", to_string(args[0]));
    }
    same = args.subspan(1);
  }
  for (DType t : same) {
    if (!fits(f.kinds, t)) return invalid("{} is not defined for {}", f.text, to_string(t));
    if (t != same[0]) {
      return invalid("{}: arguments differ in type: {} and {}", f.text, to_string(same[0]),
                     to_string(t));
    }
  }
  return f.gives == Gives::B ? DType::Bool : same[0];
}

bool operator==(const ExprNode& a, const ExprNode& b) {
  return a.op == b.op && a.dtype == b.dtype && std::ranges::equal(a.args, b.args) &&
         a.input == b.input && a.integer == b.integer &&
         std::bit_cast<uint64_t>(a.value) == std::bit_cast<uint64_t>(b.value);
}

int Expr::append(ExprNode node) {
  // The cheap part of the comparison first: long expressions are built a node at a time.
  auto found = std::find_if(nodes_.begin(), nodes_.end(), [&](const ExprNode& n) {
    return n.op == node.op && n.args[0] == node.args[0] && n == node;
  });
  if (found != nodes_.end()) return static_cast<int>(found - nodes_.begin());
  nodes_.push_back(node);
  return static_cast<int>(nodes_.size()) - 1;
}

Expr Expr::identity(DType type) {
  Expr same({type});
  same.output(same.input(0));
  return same;
}

int Expr::input(int k) {
  LATHE_CHECK(k >= 0 && static_cast<size_t>(k) < inputs_.size());
  DType type = inputs_[static_cast<size_t>(k)];
  LATHE_CHECK(is_computable(type));
  return append({.op = ScalarOp::Input, .dtype = type, .input = k});
}

int Expr::literal(DType type, double value) {
  LATHE_CHECK(is_float(type) && is_computable(type));
  double rounded = round_to(type, value);
  if (std::isnan(rounded)) rounded = std::numeric_limits<double>::quiet_NaN();
  return append({.op = ScalarOp::Literal, .dtype = type, .value = rounded});
}

int Expr::literal_int(DType type, int64_t value) {
  LATHE_CHECK(is_int(type) || type == DType::Bool);
  LATHE_CHECK(is_computable(type));
  return append({.op = ScalarOp::Literal, .dtype = type, .integer = wrap_to(type, value)});
}

int Expr::cast(int arg, DType to, bool saturate) {
  LATHE_CHECK(arg >= 0 && static_cast<size_t>(arg) < nodes_.size() && is_computable(to));
  if (nodes_[static_cast<size_t>(arg)].dtype == to) return arg;
  ScalarOp op = saturate ? ScalarOp::CastSaturate : ScalarOp::Cast;
  return append({.op = op, .dtype = to, .args = {arg, -1, -1}});
}

int Expr::call(ScalarOp op, std::initializer_list<int> args) {
  ExprNode node{.op = op};
  DType types[3] = {};
  LATHE_CHECK(args.size() <= 3);
  for (size_t k = 0; k < args.size(); ++k) {
    int arg = args.begin()[k];
    LATHE_CHECK(arg >= 0 && static_cast<size_t>(arg) < nodes_.size());
    node.args[k] = arg;
    types[k] = nodes_[static_cast<size_t>(arg)].dtype;
  }
  Result<DType> type = result_type(op, {types, args.size()});
  LATHE_CHECK(type.ok());
  node.dtype = *type;
  return append(node);
}

int Expr::add_input(DType type) {
  inputs_.push_back(type);
  return static_cast<int>(inputs_.size()) - 1;
}

Status Expr::verify() const {
  if (nodes_.size() > kMaxExprNodes)
    return invalid("more than {} scalar instructions", kMaxExprNodes);
  if (inputs_.size() > kMaxExprNodes) return invalid("more than {} inputs", kMaxExprNodes);
  for (size_t i = 0; i < nodes_.size(); ++i) {
    LATHE_TRY(verify_node(nodes_[i], static_cast<int>(i), inputs_, nodes_)
                  .at(fmt::format("scalar instruction {}", i)));
  }
  if (outputs_.size() > kMaxExprNodes) return invalid("more than {} results", kMaxExprNodes);
  for (int32_t o : outputs_) {
    if (o < 0 || static_cast<size_t>(o) >= nodes_.size()) return invalid("no such scalar result");
  }
  return {};
}

}  // namespace lathe
