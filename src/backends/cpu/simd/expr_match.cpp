// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/expr_match.h"

#include <cmath>
#include <optional>

#include "backends/cpu/simd/bf16_kernels.h"

namespace lathe::cpu {
namespace {

bool in_f32(DType t) { return is_float(t) && t != DType::F64; }

// Instructions whose result jumps: their arguments are rounded to their types first.
bool jumps(ScalarOp op) {
  switch (op) {
    case ScalarOp::Floor:
    case ScalarOp::Ceil:
    case ScalarOp::Round:
    case ScalarOp::Trunc:
    case ScalarOp::Sign:
    case ScalarOp::Mod:
    case ScalarOp::Fmod:
    case ScalarOp::IsNan:
    case ScalarOp::IsInf:
    case ScalarOp::Equal:
    case ScalarOp::NotEqual:
    case ScalarOp::Less:
    case ScalarOp::LessEqual:
    case ScalarOp::Greater:
    case ScalarOp::GreaterEqual:
    case ScalarOp::Cast:
    case ScalarOp::CastSaturate: return true;
    default: return false;
  }
}

std::optional<FloatOp> float_op(ScalarOp op) {
  switch (op) {
    case ScalarOp::Add: return FloatOp::Add;
    case ScalarOp::Sub: return FloatOp::Sub;
    case ScalarOp::Mul: return FloatOp::Mul;
    case ScalarOp::Div: return FloatOp::Div;
    case ScalarOp::Min: return FloatOp::Min;
    case ScalarOp::Max: return FloatOp::Max;
    case ScalarOp::Neg: return FloatOp::Neg;
    case ScalarOp::Abs: return FloatOp::Abs;
    case ScalarOp::Sign: return FloatOp::Sign;
    case ScalarOp::Exp: return FloatOp::Exp;
    case ScalarOp::Log: return FloatOp::Log;
    case ScalarOp::Log1p: return FloatOp::Log1p;
    case ScalarOp::Expm1: return FloatOp::Expm1;
    case ScalarOp::Sqrt: return FloatOp::Sqrt;
    case ScalarOp::Reciprocal: return FloatOp::Reciprocal;
    case ScalarOp::Sin: return FloatOp::Sin;
    case ScalarOp::Cos: return FloatOp::Cos;
    case ScalarOp::Tanh: return FloatOp::Tanh;
    case ScalarOp::Erf: return FloatOp::Erf;
    case ScalarOp::Sigmoid: return FloatOp::Sigmoid;
    case ScalarOp::Floor: return FloatOp::Floor;
    case ScalarOp::Ceil: return FloatOp::Ceil;
    case ScalarOp::Round: return FloatOp::Round;
    case ScalarOp::Trunc: return FloatOp::Trunc;
    case ScalarOp::IsNan: return FloatOp::IsNan;
    case ScalarOp::IsInf: return FloatOp::IsInf;
    case ScalarOp::Equal: return FloatOp::Equal;
    case ScalarOp::NotEqual: return FloatOp::NotEqual;
    case ScalarOp::Less: return FloatOp::Less;
    case ScalarOp::LessEqual: return FloatOp::LessEqual;
    default: return std::nullopt;
  }
}

class Matcher {
 public:
  explicit Matcher(const Expr& expr)
      : expr_(expr), table_(float_kernels()), uses_(expr.nodes().size(), 0) {
    for (const ExprNode& n : expr.nodes()) {
      for (int k = 0; k < arity(n.op); ++k) ++uses_[index(n.args[k])];
    }
    for (int32_t o : expr.outputs()) uses_[index(o)] += 2;  // never absorbed
    mark_rounded();
    mark_short();
  }

  Selection run() {
    Selection s;
    s.nodes.resize(expr_.nodes().size());
    s.needed.assign(expr_.nodes().size(), false);
    for (int32_t o : expr_.outputs()) s.needed[index(o)] = true;
    for (size_t i = expr_.nodes().size(); i-- > 0;) {
      if (!s.needed[i]) continue;
      s.nodes[i] = select(static_cast<int>(i));
      for (int a : s.nodes[i].args) s.needed[index(a)] = true;
    }
    return s;
  }

 private:
  static size_t index(int i) { return static_cast<size_t>(i); }
  const ExprNode& node(int i) const { return expr_.nodes()[index(i)]; }
  Kernel kernel(FloatOp op) const { return table_[static_cast<size_t>(op)]; }
  int arg(int i, int k) const { return node(i).args[k]; }

  // FP16 and BF16 are computed in f32 and rounded only where it matters by more than an error.
  void mark_rounded() {
    rounded_.assign(expr_.nodes().size(), false);
    for (const ExprNode& n : expr_.nodes()) {
      if (!jumps(n.op)) continue;
      for (int k = 0; k < arity(n.op); ++k) rounded_[index(n.args[k])] = true;
    }
  }

  // What is BF16, or becomes it wherever it is read, needs no more digits.
  void mark_short() {
    std::vector<int> narrowed(expr_.nodes().size(), 0);
    for (const ExprNode& n : expr_.nodes()) {
      const bool cast = n.op == ScalarOp::Cast || n.op == ScalarOp::CastSaturate;
      if (cast && n.dtype == DType::BF16) ++narrowed[index(n.args[0])];
    }
    for (size_t i = 0; i < narrowed.size(); ++i) {
      short_.push_back(expr_.nodes()[i].dtype == DType::BF16 ||
                       (uses_[i] > 0 && narrowed[i] == uses_[i]));
    }
  }

  // A product, sum or the like on f32 that only one instruction reads.
  bool absorbable(int i, ScalarOp op) const {
    return node(i).op == op && in_f32(node(i).dtype) && uses_[index(i)] == 1 &&
           !(rounded_[index(i)] && node(i).dtype != DType::F32);
  }
  bool is_literal(int i) const {
    return node(i).op == ScalarOp::Literal && !std::isnan(node(i).value);
  }
  bool is_literal(int i, double value) const { return is_literal(i) && node(i).value == value; }

  Selected one(FloatOp op, std::vector<int> args) const { return {{kernel(op)}, std::move(args)}; }
  // The same where node i is the result, by fewer digits where those do.
  Selected result(int i, FloatOp op, std::vector<int> args) const {
    const Kernel few = short_[index(i)] ? bf16_kernel(op) : nullptr;
    return {{few != nullptr ? few : kernel(op)}, std::move(args)};
  }

  Selected select(int i) const {
    const ExprNode& n = node(i);
    if (n.op == ScalarOp::Input || n.op == ScalarOp::Literal) return {};
    Selected s = n.op == ScalarOp::Cast || n.op == ScalarOp::CastSaturate ? cast(n)
                 : in_f32(n.dtype)                                        ? fused(i)
                                                                          : plain(i);
    if (n.op != ScalarOp::Cast && n.op != ScalarOp::CastSaturate && rounded_[index(i)]) {
      append_rounding(n.dtype, s);
    }
    return s;
  }

  void append_rounding(DType type, Selected& s) const {
    if (type == DType::F16) s.kernels.push_back(kernel(FloatOp::RoundF16));
    if (type == DType::BF16) s.kernels.push_back(kernel(FloatOp::RoundBF16));
  }

  Selected cast(const ExprNode& n) const {
    const DType from = node(n.args[0]).dtype, to = n.dtype;
    Selected s;
    s.args = {n.args[0]};
    if (in_f32(from) && in_f32(to)) {
      append_rounding(to, s);
      return s;
    }
    if (in_f32(from) && float_to(to)) {
      s.kernels = {kernel(*float_to(to))};
    } else if (in_f32(to) && register_bytes(from) == 4 && from != DType::U32) {
      s.kernels = {kernel(FloatOp::FromI32)};
    } else {
      s.kernels = {plain_cast(from, to, n.op == ScalarOp::CastSaturate)};
    }
    append_rounding(to, s);
    return s;
  }

  static std::optional<FloatOp> float_to(DType to) {
    switch (to) {
      case DType::I8: return FloatOp::ToI8;
      case DType::I16: return FloatOp::ToI16;
      case DType::I32: return FloatOp::ToI32;
      case DType::U8: return FloatOp::ToU8;
      case DType::U16: return FloatOp::ToU16;
      case DType::Bool: return FloatOp::ToBool;
      default: return std::nullopt;
    }
  }

  Selected fused(int i) const {
    const ExprNode& n = node(i);
    switch (n.op) {
      case ScalarOp::Max:
      case ScalarOp::Min: return bounded(i);
      case ScalarOp::Mul: return product(i);
      case ScalarOp::Add: return sum(i);
      case ScalarOp::Sub:
        if (absorbable(n.args[1], ScalarOp::Mul)) {
          return one(FloatOp::SubMul, {arg(n.args[1], 0), arg(n.args[1], 1), n.args[0]});
        }
        return plain(i);
      case ScalarOp::Pow: return power(i);
      default: return plain(i);
    }
  }

  // The argument that is a literal, and the other one.
  bool split_literal(int i, int& literal, int& other) const {
    for (int k = 0; k < 2; ++k) {
      literal = arg(i, k), other = arg(i, 1 - k);
      if (is_literal(literal)) return true;
    }
    return false;
  }

  Selected bounded(int i) const {
    int bound = 0, x = 0, inner_bound = 0, inner = 0;
    if (!split_literal(i, bound, x)) return plain(i);
    const bool is_max = node(i).op == ScalarOp::Max;
    const ScalarOp opposite = is_max ? ScalarOp::Min : ScalarOp::Max;
    if (absorbable(x, opposite) && split_literal(x, inner_bound, inner)) {
      const int low = is_max ? bound : inner_bound, high = is_max ? inner_bound : bound;
      if (node(low).value <= node(high).value) return one(FloatOp::Clamp, {inner, low, high});
    }
    if (!is_max || !is_literal(bound, 0)) return plain(i);
    if (absorbable(x, ScalarOp::Add)) return one(FloatOp::AddRelu, {arg(x, 0), arg(x, 1)});
    return one(FloatOp::Relu, {x});
  }

  Selected sum(int i) const {
    for (int k = 0; k < 2; ++k) {
      const int p = arg(i, k);
      if (absorbable(p, ScalarOp::Mul)) {
        return one(FloatOp::MulAdd, {arg(p, 0), arg(p, 1), arg(i, 1 - k)});
      }
    }
    return plain(i);
  }

  Selected product(int i) const {
    if (std::optional<Selected> g = gelu(i)) return *g;
    for (int k = 0; k < 2; ++k) {
      const int s = arg(i, k);
      if (absorbable(s, ScalarOp::Sigmoid)) {
        return result(i, FloatOp::MulSigmoid, {arg(i, 1 - k), arg(s, 0)});
      }
    }
    return plain(i);
  }

  void factors(int i, int depth, std::vector<int>& into) const {
    for (int k = 0; k < 2; ++k) {
      const int a = arg(i, k);
      if (depth > 0 && absorbable(a, ScalarOp::Mul)) {
        factors(a, depth - 1, into);
      } else {
        into.push_back(a);
      }
    }
  }

  // x, 1/2 and 1 + erf(c x), multiplied in any order
  std::optional<Selected> gelu(int i) const {
    std::vector<int> f;
    factors(i, 1, f);
    if (f.size() != 3) return std::nullopt;
    for (int half : f) {
      for (int bracket : f) {
        if (!is_literal(half, 0.5) || !absorbable(bracket, ScalarOp::Add)) continue;
        const int x = f[0] + f[1] + f[2] - half - bracket;
        if (auto c = erf_scale(bracket, x)) return result(i, FloatOp::Gelu, {x, *c});
      }
    }
    return std::nullopt;
  }
  std::optional<int> erf_scale(int bracket, int x) const {
    int unit = 0, e = 0, c = 0, inner = 0;
    if (!split_literal(bracket, unit, e) || !is_literal(unit, 1)) return std::nullopt;
    if (!absorbable(e, ScalarOp::Erf) || !absorbable(arg(e, 0), ScalarOp::Mul)) return std::nullopt;
    if (!split_literal(arg(e, 0), c, inner) || inner != x) return std::nullopt;
    return c;
  }

  Selected power(int i) const {
    const int x = arg(i, 0), e = arg(i, 1);
    if (is_literal(e, 2)) return one(FloatOp::Mul, {x, x});
    if (is_literal(e, 3)) return one(FloatOp::Cube, {x});
    if (is_literal(e, 0.5)) return one(FloatOp::RootOf, {x});
    if (is_literal(e, -1)) return one(FloatOp::Reciprocal, {x});
    return plain(i);
  }

  // One kernel for one node.
  Selected plain(int i) const {
    const ExprNode& n = node(i);
    const DType from = node(n.args[arity(n.op) - 1]).dtype;
    Selected s;
    s.args.assign(n.args, n.args + arity(n.op));
    ScalarOp op = n.op;
    if (op == ScalarOp::Greater || op == ScalarOp::GreaterEqual) {
      op = op == ScalarOp::Greater ? ScalarOp::Less : ScalarOp::LessEqual;
      std::swap(s.args[0], s.args[1]);
    }
    if (op == ScalarOp::Select && register_bytes(from) == 4) {
      s.kernels = {kernel(FloatOp::Select)};
    } else if (auto f = float_op(op); f && in_f32(from)) {
      s.kernels = {kernel(*f)};
    } else {
      s.kernels = {plain_kernel(op, from)};
    }
    const bool narrow = is_int(n.dtype) && bits(n.dtype) < 32 && op != ScalarOp::Select;
    if (narrow) s.kernels.push_back(plain_cast(DType::I32, n.dtype, false));
    return s;
  }

  const Expr& expr_;
  const Kernel* table_;
  std::vector<int> uses_;
  std::vector<bool> rounded_, short_;
};

}  // namespace

Selection select_kernels(const Expr& expr) { return Matcher(expr).run(); }

}  // namespace lathe::cpu
