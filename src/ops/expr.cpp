// SPDX-License-Identifier: Apache-2.0
// Rewrites of whole expressions: canonical order, inlining, renumbering.
#include "ops/expr.h"

#include <algorithm>

namespace lathe {
namespace {

std::vector<DType> to_vector(std::span<const DType> types) { return {types.begin(), types.end()}; }

// A node appended to `to`, its arguments and its input number already translated.
int copy_node(Expr& to, const ExprNode& n, const int* args, int input) {
  switch (n.op) {
    case ScalarOp::Input: return to.input(input);
    case ScalarOp::Literal:
      return is_float(n.dtype) ? to.literal(n.dtype, n.value) : to.literal_int(n.dtype, n.integer);
    case ScalarOp::Cast: return to.cast(args[0], n.dtype, false);
    case ScalarOp::CastSaturate: return to.cast(args[0], n.dtype, true);
    default: break;
  }
  switch (arity(n.op)) {
    case 1: return to.call(n.op, {args[0]});
    case 2: return to.call(n.op, {args[0], args[1]});
    default: return to.call(n.op, {args[0], args[1], args[2]});
  }
}

// Copies every node of `from` into `to`; returns where each went. Input k becomes node
// `input_nodes[k]` where that is not negative, else input `input_map[k]`.
std::vector<int> copy_nodes(Expr& to, const Expr& from, std::span<const int> input_map,
                            std::span<const int> input_nodes = {}) {
  std::vector<int> at;
  for (const ExprNode& n : from.nodes()) {
    int args[3] = {-1, -1, -1};
    for (int k = 0; k < arity(n.op); ++k) args[k] = at[static_cast<size_t>(n.args[k])];
    size_t input = static_cast<size_t>(std::max(n.input, 0));
    bool given = n.op == ScalarOp::Input && !input_nodes.empty() && input_nodes[input] >= 0;
    int mapped = n.op == ScalarOp::Input ? input_map[input] : -1;
    at.push_back(given ? input_nodes[input] : copy_node(to, n, args, mapped));
  }
  return at;
}

// Copies nodes in the order of the text: what is read more than once first, each after what it
// needs, then the results.
class Canonicalizer {
 public:
  explicit Canonicalizer(const Expr& from)
      : from_(from),
        to_(to_vector(from.inputs())),
        uses_(from.nodes().size(), 0),
        copied_(from.nodes().size(), -1) {}

  Expr run() {
    for (int32_t o : from_.outputs()) count(o);
    for (int index : order_) {
      const ExprNode& n = node(index);
      bool leaf = n.op == ScalarOp::Input || n.op == ScalarOp::Literal;
      if (!leaf && uses_[static_cast<size_t>(index)] > 1) copy(index);
    }
    for (int32_t o : from_.outputs()) to_.output(copy(o));
    return std::move(to_);
  }

 private:
  const ExprNode& node(int index) const { return from_.nodes()[static_cast<size_t>(index)]; }

  void count(int index) {
    if (uses_[static_cast<size_t>(index)]++ > 0) return;
    for (int k = 0; k < arity(node(index).op); ++k) count(node(index).args[k]);
    order_.push_back(index);
  }

  int copy(int index) {
    int& copied = copied_[static_cast<size_t>(index)];
    if (copied >= 0) return copied;
    const ExprNode& n = node(index);
    int args[3] = {-1, -1, -1};
    for (int k = 0; k < arity(n.op); ++k) args[k] = copy(n.args[k]);
    return copied = copy_node(to_, n, args, n.input);
  }

  const Expr& from_;
  Expr to_;
  std::vector<int> uses_, copied_, order_;
};

}  // namespace

bool Expr::reads(int input) const {
  return std::ranges::any_of(
      nodes_, [&](const ExprNode& n) { return n.op == ScalarOp::Input && n.input == input; });
}

bool Expr::is_identity() const {
  if (outputs_.size() != 1) return false;
  const ExprNode& n = nodes_[static_cast<size_t>(outputs_[0])];
  return n.op == ScalarOp::Input && n.input == 0;
}

Expr Expr::canonical() const { return Canonicalizer(*this).run(); }

Expr Expr::inlined(int k, const Expr& argument) const {
  LATHE_CHECK(k >= 0 && static_cast<size_t>(k) < inputs_.size() && !argument.empty());
  LATHE_CHECK(argument.output_type(0) == inputs_[static_cast<size_t>(k)]);
  std::vector<DType> types;
  std::vector<int> mine, theirs, replaced(inputs_.size(), -1);
  for (size_t i = 0; i < inputs_.size(); ++i) {
    mine.push_back(static_cast<int>(types.size()));
    if (static_cast<int>(i) != k) types.push_back(inputs_[i]);
  }
  for (DType type : argument.inputs_) {
    theirs.push_back(static_cast<int>(types.size()));
    types.push_back(type);
  }
  Expr out(std::move(types));
  std::vector<int> inner = copy_nodes(out, argument, theirs);
  replaced[static_cast<size_t>(k)] = inner[static_cast<size_t>(argument.outputs_[0])];
  std::vector<int> outer = copy_nodes(out, *this, mine, replaced);
  for (int32_t o : outputs_) out.output(outer[static_cast<size_t>(o)]);
  return out.canonical();
}

Expr Expr::with_inputs(std::span<const int> map, std::vector<DType> new_inputs) const {
  LATHE_CHECK(map.size() == inputs_.size());
  for (size_t old = 0; old < map.size(); ++old) {
    if (!reads(static_cast<int>(old))) continue;
    LATHE_CHECK(map[old] >= 0 && static_cast<size_t>(map[old]) < new_inputs.size());
    LATHE_CHECK(new_inputs[static_cast<size_t>(map[old])] == inputs_[old]);
  }
  Expr out(std::move(new_inputs));
  std::vector<int> at = copy_nodes(out, *this, map);
  for (int32_t o : outputs_) out.output(at[static_cast<size_t>(o)]);
  return out.canonical();
}

}  // namespace lathe
