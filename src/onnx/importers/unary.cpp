// SPDX-License-Identifier: Apache-2.0
// Functions of one element: a table from the ONNX name to an expression.
#include <utility>

#include "onnx/node_import.h"

namespace lathe {
namespace {

struct Unary {
  std::string_view onnx, body;
};

constexpr Unary kExact[] = {
    {"Abs", "abs(%0)"},       {"Neg", "neg(%0)"},           {"Exp", "exp(%0)"},
    {"Log", "log(%0)"},       {"Sqrt", "sqrt(%0)"},         {"Reciprocal", "reciprocal(%0)"},
    {"Sin", "sin(%0)"},       {"Cos", "cos(%0)"},           {"Tan", "tan(%0)"},
    {"Asin", "asin(%0)"},     {"Acos", "acos(%0)"},         {"Atan", "atan(%0)"},
    {"Sinh", "sinh(%0)"},     {"Cosh", "cosh(%0)"},         {"Tanh", "tanh(%0)"},
    {"Asinh", "asinh(%0)"},   {"Acosh", "acosh(%0)"},       {"Atanh", "atanh(%0)"},
    {"Erf", "erf(%0)"},       {"Sigmoid", "sigmoid(%0)"},   {"Floor", "floor(%0)"},
    {"Ceil", "ceil(%0)"},     {"Round", "round(%0)"},       {"Sign", "sign(%0)"},
    {"Not", "not(%0)"},       {"BitwiseNot", "bitnot(%0)"}, {"IsNaN", "isnan(%0)"},
    {"Relu", "max(%0, 0:$)"},
};

// Formulas of several steps, computed in F32 at least.
constexpr Unary kWide[] = {
    // log(1 + e^x) without overflow.
    {"Softplus", "add(max(%0, 0:$), log1p(exp(neg(abs(%0)))))"},
    {"Softsign", "div(%0, add(1:$, abs(%0)))"},
    {"Mish", "mul(%0, tanh(add(max(%0, 0:$), log1p(exp(neg(abs(%0)))))))"},
    {"HardSwish", "mul(%0, max(0:$, min(1:$, add(mul(%0, 0.16666666666666666:$), 0.5:$))))"},
};

}  // namespace

Status import_unary(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "X"));
  for (const Unary& u : kExact) {
    if (u.onnx == n.type()) return n.result(LATHE_TRY(n.pointwise(u.body, {x})));
  }
  for (const Unary& u : kWide) {
    if (u.onnx == n.type()) return n.result(LATHE_TRY(n.wide_pointwise(u.body, {x})));
  }
  return internal("{} has no expression", n.type());
}

}  // namespace lathe
