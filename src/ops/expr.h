// SPDX-License-Identifier: Apache-2.0
#pragma once
// Expr: what a Pointwise operator, a prologue or an epilogue computes for one element. A list of
// scalar instructions in SSA form over typed inputs; reference, CPU kernel and CUDA kernel are all
// generated from it.
//
//   Expr e = *Expr::parse("(a:f32, b:f32) -> mul(a, sigmoid(add(a, b)))");
//   e.to_string()                                    // the same text: parse and print are inverse
//
// Text: typed inputs named a, b, ... z, a1, b1, ...; results, comma separated; calls of the names
// in scalar_ops.def; cast(x, f16), cast_sat(x, i8) (float to integer rounds toward zero, saturates,
// NaN gives 0; cast wraps integers as ONNX Cast does); literals 1.5:f32 (f32 may be left out), inf,
// nan, 3:i64, true. A shared subexpression prints through let: "let t = exp(a) in add(t, t)".
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "tensor/dtype.h"

namespace lathe {

enum class ScalarOp : uint8_t {
  Input,    // immediate `input`
  Literal,  // `value` (floats) or `integer`
  Cast,     // to `dtype`
  CastSaturate,
#define SCALAR(name, text, arity, kinds, result, doc) name,
#include "ops/scalar_ops.def"
#undef SCALAR
};
std::string_view to_string(ScalarOp op);
int arity(ScalarOp op);
// Type of op applied to these types (not for Input, Literal and casts); an error names the op.
Result<DType> result_type(ScalarOp op, std::span<const DType> args);

constexpr int kMaxExprNodes =
    2048;  // more is refused by parse and verify: recursion fits any stack

struct ExprNode {
  ScalarOp op = ScalarOp::Literal;
  DType dtype = DType::None;       // type of this node's value
  int32_t args[3] = {-1, -1, -1};  // indices of earlier nodes
  int32_t input = -1;              // Input: which
  double value = 0;                // Literal of a float type
  int64_t integer = 0;             // Literal of an integer or bool type (u64 as its bits)
  friend bool operator==(const ExprNode& a, const ExprNode& b);  // values bit by bit: NaN is NaN
};

// Nodes in topological order; equal nodes appear once; unread nodes do not appear; inputs may be
// unread (their type is in `inputs`). The builder functions keep these invariants.
class Expr {
 public:
  Expr() = default;
  explicit Expr(std::vector<DType> inputs) : inputs_(std::move(inputs)) {}

  // Input 0 unchanged.
  static Expr identity(DType type);

  // Builders return the node's index; LATHE_CHECK the types that scalar_ops.def demands.
  int input(int k);
  int literal(DType type, double value);
  int literal_int(DType type, int64_t value);
  int cast(int arg, DType to, bool saturate = false);  // to its own type: arg itself
  int call(ScalarOp op, std::initializer_list<int> args);
  void output(int node) { outputs_.push_back(node); }
  int add_input(DType type);  // its input number

  bool empty() const { return outputs_.empty(); }
  std::span<const DType> inputs() const { return inputs_; }
  std::span<const ExprNode> nodes() const { return nodes_; }
  std::span<const int32_t> outputs() const { return outputs_; }
  DType output_type(int k) const {
    return nodes_[static_cast<size_t>(outputs_[static_cast<size_t>(k)])].dtype;
  }
  bool reads(int input) const;
  bool is_identity() const;  // one output, which is input 0 unchanged

  // This expression with `argument`'s output 0 in place of input k; argument's inputs are appended
  // after this one's remaining inputs (input k disappears, later inputs move down by one).
  Expr inlined(int k, const Expr& argument) const;
  // Inputs renumbered: new input `map[k]` stands for old input k; two olds may share one new.
  Expr with_inputs(std::span<const int> map, std::vector<DType> new_inputs) const;
  // Simplified: constants folded, x*1, x+0 of integers, double negation, cast of cast where exact.
  Expr simplified() const;
  // The same computation with nodes in the order in which the text names them, unread ones dropped:
  // two expressions with one text have one canonical form. Attrs stores expressions so.
  Expr canonical() const;
  // Types, topological order, bounds: what a reader of untrusted bytes must call.
  Status verify() const;

  std::string to_string() const;
  static Result<Expr> parse(std::string_view text);
  friend bool operator==(const Expr&, const Expr&) = default;

 private:
  friend struct ExprReader;
  int append(ExprNode node);  // finds an equal node or adds one
  std::vector<DType> inputs_;
  std::vector<ExprNode> nodes_;
  std::vector<int32_t> outputs_;
};

// One element through the expression, the specification of every kernel: floats of 32 bits or
// fewer are computed in float and rounded to their type after every instruction, f64 in double,
// integers in their own width.
union ScalarBits {
  double f;   // any float type, exactly
  int64_t i;  // any integer type, sign- or zero-extended; bool 0 or 1
};
void evaluate(const Expr& expr, std::span<const ScalarBits> inputs, std::span<ScalarBits> outputs);

}  // namespace lathe
