// SPDX-License-Identifier: Apache-2.0
#include "ops/pointwise_contents.h"

#include <cmath>

#include "ops/expr_eval.h"
#include "ops/op_common.h"
#include "tensor/dim_truncate.h"

namespace lathe {
namespace {

// What is known of one instruction's value: a number (any, fractions and bools too), or a
// dimension expression of symbols, or nothing.
struct Known {
  enum class Kind : uint8_t { Nothing, Number, Symbolic } kind = Kind::Nothing;
  ScalarBits number = {};
  Dim dim;
};

bool is_tracked(DType type) {
  return is_computable(type) && type != DType::F16 && type != DType::BF16;
}

Known of_number(ScalarBits bits) { return {Known::Kind::Number, bits, {}}; }

// A dimension in a variable of this type. A size in a float is taken as exact: f32 holds every
// size below 2^24.
Known of_dim(DType type, Dim dim) {
  if (!is_tracked(type)) return {};
  if (!dim.is_constant()) {
    // Narrow types wrap where sizes are large, unsigned ones below 0.
    bool fits = bits(type) >= 32 && (kind(type) != DKind::Uint || dim.provably_nonnegative());
    return fits ? Known{Known::Kind::Symbolic, {}, std::move(dim)} : Known{};
  }
  ScalarBits bits;
  if (is_float(type)) {
    bits.f = round_to(type, static_cast<double>(dim.value()));
  } else {
    bits.i = wrap_to(type, dim.value());
  }
  return of_number(bits);
}

// The value as a dimension: fractions, -0 and the upper half of u64 have none.
std::optional<Dim> as_dim(DType type, const Known& k) {
  if (k.kind == Known::Kind::Symbolic) return k.dim;
  if (k.kind == Known::Kind::Nothing || !is_tracked(type)) return std::nullopt;
  if (!is_float(type)) {
    if (type == DType::U64 && k.number.i < 0) return std::nullopt;
    return Dim(k.number.i);
  }
  double v = k.number.f;
  bool whole = std::trunc(v) == v && std::fabs(v) < 0x1p53 && !(v == 0 && std::signbit(v));
  return whole ? std::optional(Dim(static_cast<int64_t>(v))) : std::nullopt;
}

std::optional<Dim> quotient(DType type, const Dim& a, const Dim& b) {
  if (b.is(0)) return std::nullopt;
  if (auto exact = a.exact_div(b); exact && b.provably_positive()) return exact;
  // Integers truncate, and no quotient by 0 is defined; floats keep the fraction.
  if (is_int(type) && b.provably_nonnegative()) return trunc_div(a, Dim::max(b, 1));
  return std::nullopt;
}

std::optional<Dim> remainder(ScalarOp op, const Dim& a, const Dim& b) {
  if (!b.provably_positive()) return std::nullopt;
  if (op == ScalarOp::Fmod && !a.provably_nonnegative()) return std::nullopt;
  return Dim::mod(a, b);
}

std::optional<bool> compared(ScalarOp op, const Dim& a, const Dim& b) {
  Dim more = a - b, less = b - a;
  bool equal = more.is(0);
  bool above = more.provably_positive(), below = less.provably_positive();
  bool not_above = equal || below || less.provably_nonnegative();
  bool not_below = equal || above || more.provably_nonnegative();
  auto decide = [](bool yes, bool no) {
    return yes ? std::optional(true) : no ? std::optional(false) : std::nullopt;
  };
  bool differ = above || below || (more.is_constant() && !equal);
  switch (op) {
    case ScalarOp::Equal: return decide(equal, differ);
    case ScalarOp::NotEqual: return decide(differ, equal);
    case ScalarOp::Less: return decide(below, not_below);
    case ScalarOp::LessEqual: return decide(not_above, above);
    case ScalarOp::Greater: return decide(above, not_above);
    case ScalarOp::GreaterEqual: return decide(not_below, below);
    default: return std::nullopt;
  }
}

std::optional<Dim> symbolic_call(ScalarOp op, DType type, const Dim& a, const Dim& b) {
  switch (op) {
    case ScalarOp::Add: return a + b;
    case ScalarOp::Sub: return a - b;
    case ScalarOp::Mul: return a * b;
    case ScalarOp::Div: return quotient(type, a, b);
    case ScalarOp::Mod:
    case ScalarOp::Fmod: return remainder(op, a, b);
    case ScalarOp::Min: return Dim::min(a, b);
    case ScalarOp::Max: return Dim::max(a, b);
    case ScalarOp::Neg: return Dim(0) - a;
    case ScalarOp::Abs: return a.provably_nonnegative() ? std::optional(a) : std::nullopt;
    case ScalarOp::Cast:
    case ScalarOp::CastSaturate:
    case ScalarOp::Floor:
    case ScalarOp::Ceil:
    case ScalarOp::Round:
    case ScalarOp::Trunc: return a;
    default: return std::nullopt;
  }
}

class Tracker {
 public:
  explicit Tracker(const Expr& expr) : expr_(expr), known_(expr.nodes().size()) {}

  // One element; `inputs` are its dimensions.
  void run(std::span<const std::optional<Dim>> inputs) {
    for (size_t i = 0; i < known_.size(); ++i) {
      const ExprNode& n = expr_.nodes()[i];
      if (n.op == ScalarOp::Input) {
        const std::optional<Dim>& dim = inputs[static_cast<size_t>(n.input)];
        known_[i] = dim ? of_dim(n.dtype, *dim) : Known{};
      } else {
        known_[i] = step(n);
      }
    }
  }

  std::optional<Dim> output(size_t k) const {
    size_t node = static_cast<size_t>(expr_.outputs()[k]);
    return as_dim(expr_.nodes()[node].dtype, known_[node]);
  }

 private:
  const Known& arg(const ExprNode& n, int k) const {
    return known_[static_cast<size_t>(n.args[k])];
  }
  DType arg_type(const ExprNode& n, int k) const {
    return expr_.nodes()[static_cast<size_t>(n.args[k])].dtype;
  }

  Known step(const ExprNode& n) const {
    int count = arity(n.op);
    bool all_numbers = true;
    ScalarBits numbers[3] = {};
    for (int k = 0; k < count; ++k) {
      all_numbers = all_numbers && arg(n, k).kind == Known::Kind::Number;
      numbers[k] = arg(n, k).number;
    }
    DType from = count > 0 ? arg_type(n, count - 1) : DType::None;
    if (all_numbers) return of_number(evaluate_node(n, from, numbers));
    if (n.op == ScalarOp::Select) return select(n);
    std::optional<Dim> a = as_dim(from, arg(n, 0));
    std::optional<Dim> b = count > 1 ? as_dim(from, arg(n, 1)) : Dim(0);
    if (!a || !b) return {};
    if (auto truth = compared(n.op, *a, *b)) return of_dim(DType::Bool, Dim(*truth ? 1 : 0));
    if (n.dtype == DType::Bool) return to_bool(n.op, *a);
    auto dim = symbolic_call(n.op, from, *a, *b);
    return dim ? of_dim(n.dtype, *std::move(dim)) : Known{};
  }

  static Known to_bool(ScalarOp op, const Dim& a) {
    bool is_cast = op == ScalarOp::Cast || op == ScalarOp::CastSaturate;
    return is_cast && a.provably_positive() ? of_dim(DType::Bool, 1) : Known{};
  }

  Known select(const ExprNode& n) const {
    const Known& condition = arg(n, 0);
    if (condition.kind == Known::Kind::Number) return arg(n, condition.number.i != 0 ? 1 : 2);
    return {};
  }

  const Expr& expr_;
  std::vector<Known> known_;
};

// Element `place` of operand k, read as broadcast to `shape`.
struct Reader {
  const Contents* contents;
  std::vector<int64_t> strides;
};

std::vector<Reader> readers(const Shape& shape, const InferContext& context) {
  std::vector<Reader> out;
  for (int k = 0; k < context.operands(); ++k) {
    const Contents* contents = context.contents(k);
    if (contents == nullptr || !context.shape(k).is_concrete()) {
      out.push_back({nullptr, {}});
    } else {
      out.push_back({contents, broadcast_strides(context.shape(k).sizes(), shape.sizes())});
    }
  }
  return out;
}

}  // namespace

void track_contents(const Expr& expr, const Shape& shape, InferContext& context) {
  if (!shape.is_concrete()) return;
  Box box = Box::whole(shape);
  int64_t count = 1;
  for (int64_t size : box.end) count = count > kMaxContents ? count : count * size;
  for (int64_t size : box.end) count = size == 0 ? 0 : count;
  if (count > kMaxContents) return;
  std::vector<Reader> operands = readers(shape, context);
  std::vector<Contents> values(expr.outputs().size());
  std::vector<bool> complete(values.size(), true);
  Tracker tracker(expr);
  std::vector<std::optional<Dim>> inputs(operands.size());
  bool any = true;
  for_each(box, [&](const int64_t* c, int64_t) {
    if (!any) return;
    for (size_t k = 0; k < operands.size(); ++k) {
      if (operands[k].contents == nullptr) continue;
      int64_t at = 0;
      for (size_t d = 0; d < box.end.size(); ++d) at += c[d] * operands[k].strides[d];
      inputs[k] = (*operands[k].contents)[static_cast<size_t>(at)];
    }
    tracker.run(inputs);
    any = false;
    for (size_t k = 0; k < values.size(); ++k) {
      std::optional<Dim> v = tracker.output(k);
      complete[k] = complete[k] && v.has_value();
      if (complete[k]) values[k].push_back(*std::move(v));
      any = any || complete[k];
    }
  });
  for (size_t k = 0; k < values.size(); ++k) {
    if (complete[k]) context.add_contents(k, std::move(values[k]));
  }
}

}  // namespace lathe
