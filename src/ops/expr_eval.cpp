// SPDX-License-Identifier: Apache-2.0
// What every scalar instruction means, one obvious line each.
#include "ops/expr_eval.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/math.h"
#include "tensor/half.h"

namespace lathe {
namespace {

// Float operations, computed in F (float or double).
template <class F>
F python_mod(F a, F b) {
  F r = std::fmod(a, b);
  if (r == 0) return std::copysign(F(0), b);
  return (r < 0) != (b < 0) ? r + b : r;
}
template <class F>
F sign(F a) {
  return a > 0 ? F(1) : a < 0 ? F(-1) : a == 0 ? F(0) : a;
}
template <class F>
F smaller(F a, F b) {
  return a != a ? a : b != b ? b : b < a ? b : a;
}
template <class F>
F larger(F a, F b) {
  return a != a ? a : b != b ? b : a < b ? b : a;
}

template <class F>
F float_call(ScalarOp op, F a, F b) {
  switch (op) {
    case ScalarOp::Add: return a + b;
    case ScalarOp::Sub: return a - b;
    case ScalarOp::Mul: return a * b;
    case ScalarOp::Div: return a / b;
    case ScalarOp::Mod: return python_mod(a, b);
    case ScalarOp::Fmod: return std::fmod(a, b);
    case ScalarOp::Pow: return std::pow(a, b);
    case ScalarOp::Min: return smaller(a, b);
    case ScalarOp::Max: return larger(a, b);
    case ScalarOp::Neg: return -a;
    case ScalarOp::Abs: return std::fabs(a);
    case ScalarOp::Sign: return sign(a);
    case ScalarOp::Exp: return std::exp(a);
    case ScalarOp::Log: return std::log(a);
    case ScalarOp::Log1p: return std::log1p(a);
    case ScalarOp::Expm1: return std::expm1(a);
    case ScalarOp::Sqrt: return std::sqrt(a);
    case ScalarOp::Reciprocal: return F(1) / a;
    case ScalarOp::Sin: return std::sin(a);
    case ScalarOp::Cos: return std::cos(a);
    case ScalarOp::Tan: return std::tan(a);
    case ScalarOp::Asin: return std::asin(a);
    case ScalarOp::Acos: return std::acos(a);
    case ScalarOp::Atan: return std::atan(a);
    case ScalarOp::Sinh: return std::sinh(a);
    case ScalarOp::Cosh: return std::cosh(a);
    case ScalarOp::Tanh: return std::tanh(a);
    case ScalarOp::Asinh: return std::asinh(a);
    case ScalarOp::Acosh: return std::acosh(a);
    case ScalarOp::Atanh: return std::atanh(a);
    case ScalarOp::Erf: return std::erf(a);
    case ScalarOp::Sigmoid: return F(1) / (F(1) + std::exp(-a));
    case ScalarOp::Floor: return std::floor(a);
    case ScalarOp::Ceil: return std::ceil(a);
    case ScalarOp::Round: return std::nearbyint(a);
    case ScalarOp::Trunc: return std::trunc(a);
    default: LATHE_CHECK(false && "not a float function"); return a;
  }
}

// Integer operations in 64 bits on values of the type; the caller wraps the result to the type.
int64_t add(int64_t a, int64_t b) { return static_cast<int64_t>(uint64_t(a) + uint64_t(b)); }
int64_t sub(int64_t a, int64_t b) { return static_cast<int64_t>(uint64_t(a) - uint64_t(b)); }
int64_t mul(int64_t a, int64_t b) { return static_cast<int64_t>(uint64_t(a) * uint64_t(b)); }

int64_t divide(bool is_signed, int64_t a, int64_t b) {
  if (b == 0) return 0;
  if (!is_signed) return static_cast<int64_t>(uint64_t(a) / uint64_t(b));
  return b == -1 ? sub(0, a) : a / b;
}

// C's remainder.
int64_t truncated_mod(bool is_signed, int64_t a, int64_t b) {
  if (b == 0 || (is_signed && b == -1)) return 0;
  return is_signed ? a % b : static_cast<int64_t>(uint64_t(a) % uint64_t(b));
}

int64_t int_mod(bool is_signed, int64_t a, int64_t b) {
  if (b == 0) return 0;
  return is_signed ? floor_mod(a, b) : truncated_mod(false, a, b);
}

int64_t power(bool is_signed, int64_t a, int64_t b) {
  if (is_signed && b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 == 0 ? 1 : -1) : 0;
  int64_t result = 1;
  for (uint64_t e = static_cast<uint64_t>(b); e != 0; e >>= 1, a = mul(a, a)) {
    if (e & 1) result = mul(result, a);
  }
  return result;
}

int64_t shift(ScalarOp op, DType type, int64_t a, int64_t b) {
  if (static_cast<uint64_t>(b) >= static_cast<uint64_t>(bits(type))) return 0;
  if (op == ScalarOp::ShiftLeft) return static_cast<int64_t>(uint64_t(a) << b);
  return kind(type) == DKind::Int ? a >> b : static_cast<int64_t>(uint64_t(a) >> b);
}

bool int_less(bool is_signed, int64_t a, int64_t b) {
  return is_signed ? a < b : static_cast<uint64_t>(a) < static_cast<uint64_t>(b);
}

int64_t int_call(ScalarOp op, DType type, int64_t a, int64_t b) {
  bool is_signed = kind(type) == DKind::Int;
  switch (op) {
    case ScalarOp::Add: return add(a, b);
    case ScalarOp::Sub: return sub(a, b);
    case ScalarOp::Mul: return mul(a, b);
    case ScalarOp::Div: return divide(is_signed, a, b);
    case ScalarOp::Mod: return int_mod(is_signed, a, b);
    case ScalarOp::Fmod: return truncated_mod(is_signed, a, b);
    case ScalarOp::Pow: return power(is_signed, a, b);
    case ScalarOp::Min: return int_less(is_signed, b, a) ? b : a;
    case ScalarOp::Max: return int_less(is_signed, a, b) ? b : a;
    case ScalarOp::Neg: return sub(0, a);
    case ScalarOp::Abs: return is_signed && a < 0 ? sub(0, a) : a;
    case ScalarOp::Sign: return a == 0 ? 0 : is_signed && a < 0 ? -1 : 1;
    case ScalarOp::And:
    case ScalarOp::BitAnd: return a & b;
    case ScalarOp::Or:
    case ScalarOp::BitOr: return a | b;
    case ScalarOp::Xor:
    case ScalarOp::BitXor: return a ^ b;
    case ScalarOp::Not: return a == 0 ? 1 : 0;
    case ScalarOp::BitNot: return ~a;
    case ScalarOp::ShiftLeft:
    case ScalarOp::ShiftRight: return shift(op, type, a, b);
    default: LATHE_CHECK(false && "not an integer function"); return 0;
  }
}

// -1, 0, 1, or 2 when one is NaN.
int order(DType type, ScalarBits a, ScalarBits b) {
  if (is_float(type)) return a.f < b.f ? -1 : a.f > b.f ? 1 : a.f == b.f ? 0 : 2;
  bool is_signed = kind(type) == DKind::Int;
  return int_less(is_signed, a.i, b.i) ? -1 : int_less(is_signed, b.i, a.i) ? 1 : 0;
}

std::optional<bool> predicate(ScalarOp op, DType type, ScalarBits a, ScalarBits b) {
  switch (op) {
    case ScalarOp::IsNan: return std::isnan(a.f);
    case ScalarOp::IsInf: return std::isinf(a.f);
    case ScalarOp::Equal: return order(type, a, b) == 0;
    case ScalarOp::NotEqual: return order(type, a, b) != 0;
    case ScalarOp::Less: return order(type, a, b) == -1;
    case ScalarOp::LessEqual: return order(type, a, b) <= 0;
    case ScalarOp::Greater: return order(type, a, b) == 1;
    case ScalarOp::GreaterEqual: return order(type, a, b) == 0 || order(type, a, b) == 1;
    default: return std::nullopt;
  }
}

ScalarBits of_int(int64_t i) {
  ScalarBits out;
  out.i = i;
  return out;
}
ScalarBits of_float(double f) {
  ScalarBits out;
  out.f = f;
  return out;
}

// Least and largest value of an integer type, as doubles that bound it: [low, high).
double lowest(DType t) { return kind(t) == DKind::Int ? -std::ldexp(1.0, bits(t) - 1) : 0.0; }
double above_highest(DType t) { return std::ldexp(1.0, bits(t) - (kind(t) == DKind::Int ? 1 : 0)); }

int64_t highest_int(DType t) {
  int width = bits(t) - (kind(t) == DKind::Int ? 1 : 0);
  return static_cast<int64_t>(width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1);
}
int64_t lowest_int(DType t) { return kind(t) == DKind::Int ? sub(-1, highest_int(t)) : 0; }

int64_t float_to_int(DType to, double value) {
  if (value != value) return 0;
  value = std::trunc(value);
  if (value <= lowest(to)) return lowest_int(to);
  if (value >= above_highest(to)) return highest_int(to);
  return kind(to) == DKind::Int ? static_cast<int64_t>(value)
                                : static_cast<int64_t>(static_cast<uint64_t>(value));
}

int64_t saturate_int(DType from, DType to, int64_t value) {
  bool huge = kind(from) == DKind::Uint && value < 0;  // at least 2^63
  if (bits(to) == 64 && kind(to) == DKind::Uint) return !huge && value < 0 ? 0 : value;
  if (huge) return highest_int(to);
  return std::clamp(value, lowest_int(to), highest_int(to));
}

double int_to_float(DType from, DType to, int64_t value) {
  bool is_unsigned = kind(from) == DKind::Uint;
  if (to == DType::F32) {
    return is_unsigned ? static_cast<float>(static_cast<uint64_t>(value))
                       : static_cast<float>(value);
  }
  double wide =
      is_unsigned ? static_cast<double>(static_cast<uint64_t>(value)) : static_cast<double>(value);
  return round_to(to, wide);
}

ScalarBits cast(DType from, DType to, bool saturate, ScalarBits a) {
  if (is_float(to)) {
    return of_float(is_float(from) ? round_to(to, a.f) : int_to_float(from, to, a.i));
  }
  if (to == DType::Bool) return of_int(is_float(from) ? a.f != 0 : a.i != 0);
  if (is_float(from)) return of_int(float_to_int(to, a.f));
  return of_int(saturate ? saturate_int(from, to, a.i) : wrap_to(to, a.i));
}

ScalarBits call(const ExprNode& node, DType from, const ScalarBits* args) {
  ScalarBits a = args[0], b = arity(node.op) > 1 ? args[1] : args[0];
  if (node.op == ScalarOp::Select) return args[0].i != 0 ? args[1] : args[2];
  if (auto truth = predicate(node.op, from, a, b)) return of_int(*truth);
  if (!is_float(from)) return of_int(wrap_to(from, int_call(node.op, from, a.i, b.i)));
  if (from == DType::F64) return of_float(float_call<double>(node.op, a.f, b.f));
  float value = float_call<float>(node.op, static_cast<float>(a.f), static_cast<float>(b.f));
  return of_float(from == DType::F32 ? value : round_to(from, value));
}

}  // namespace

double round_to(DType type, double value) {
  switch (type) {
    case DType::F32: return static_cast<float>(value);
    case DType::F16: return half_to_float(double_to_half(value));
    case DType::BF16: return static_cast<float>(BFloat16(value));
    default: return value;
  }
}

int64_t wrap_to(DType type, int64_t value) {
  switch (type) {
    case DType::I8: return static_cast<int8_t>(value);
    case DType::I16: return static_cast<int16_t>(value);
    case DType::I32: return static_cast<int32_t>(value);
    case DType::U8: return static_cast<uint8_t>(value);
    case DType::U16: return static_cast<uint16_t>(value);
    case DType::U32: return static_cast<uint32_t>(value);
    case DType::Bool: return value != 0;
    default: return value;
  }
}

ScalarBits evaluate_node(const ExprNode& node, DType from, const ScalarBits* args) {
  switch (node.op) {
    case ScalarOp::Literal:
      return is_float(node.dtype) ? of_float(node.value) : of_int(node.integer);
    case ScalarOp::Cast: return cast(from, node.dtype, false, args[0]);
    case ScalarOp::CastSaturate: return cast(from, node.dtype, true, args[0]);
    default: return call(node, from, args);
  }
}

ExprEvaluator::ExprEvaluator(const Expr& expr) : expr_(expr), values_(expr.nodes().size()) {}

void ExprEvaluator::run(const ScalarBits* inputs, ScalarBits* outputs) {
  std::span<const ExprNode> nodes = expr_.nodes();
  for (size_t i = 0; i < nodes.size(); ++i) {
    const ExprNode& n = nodes[i];
    if (n.op == ScalarOp::Input) {
      values_[i] = inputs[n.input];
      continue;
    }
    ScalarBits args[3] = {};
    DType from = DType::None;
    for (int k = 0; k < 3 && n.args[k] >= 0; ++k) {
      args[k] = values_[static_cast<size_t>(n.args[k])];
      from = nodes[static_cast<size_t>(n.args[k])].dtype;
    }
    values_[i] = evaluate_node(n, from, args);
  }
  for (size_t k = 0; k < expr_.outputs().size(); ++k) {
    outputs[k] = values_[static_cast<size_t>(expr_.outputs()[k])];
  }
}

void evaluate(const Expr& expr, std::span<const ScalarBits> inputs, std::span<ScalarBits> outputs) {
  LATHE_CHECK(inputs.size() == expr.inputs().size() && outputs.size() == expr.outputs().size());
  ExprEvaluator(expr).run(inputs.data(), outputs.data());
}

}  // namespace lathe
