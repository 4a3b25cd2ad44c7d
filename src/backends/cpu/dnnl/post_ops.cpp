// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/dnnl/post_ops.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/cpu/dnnl/expr_match.h"
#include "device/tactic.h"

namespace lathe::cpu {
namespace {

constexpr size_t kMaxPostOps = 16;  // what OnednnPrimitive::run has room for

MemorySpec memory_of(const TensorType& type, std::vector<int64_t> strides) {
  MemorySpec m;
  m.dtype = type.dtype;
  m.dims = type.shape.sizes();
  m.strides = std::move(strides);
  return m;
}

// Two activations of one kind with other parameters: oneDNN 2.6's code for AVX2 gives the second
// the constants of the first.
bool confuses_constants(const std::vector<PostOp>& list) {
  for (size_t i = 0; i < list.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      const PostOp &a = list[k], &b = list[i];
      const bool activations = a.kind == PostOp::Kind::Eltwise && b.kind == a.kind;
      if (activations && a.eltwise == b.eltwise && (a.alpha != b.alpha || a.beta != b.beta)) {
        return true;
      }
    }
  }
  return false;
}

MemorySpec blocked_memory(const TensorType& type) {
  MemorySpec m = memory_of(type, {});
  m.blocked = true;
  return m;
}

// Walks the epilogue from its result to the anchor's, each step undone adding one to the list.
class Matcher {
 public:
  explicit Matcher(const OpInstance& op)
      : op_(op), match_(op.fusion.epilogue), nodes_(op.fusion.epilogue.nodes()) {
    const int extras = static_cast<int>(op.in.size()) - op.fusion.anchor_operands;
    depends_.resize(nodes_.size());
    for (size_t n = 0; n < nodes_.size(); ++n) {
      const ExprNode& e = nodes_[n];
      if (e.op == ScalarOp::Input) {
        depends_[n] = e.input == 0;
        continue;
      }
      for (int32_t a : e.args) {
        if (a >= 0 && depends_[static_cast<size_t>(a)]) depends_[n] = true;
      }
    }
    last_input_ = 1 + extras;
  }

  PostOps run() {
    const Expr& e = op_.fusion.epilogue;
    PostOps result;
    if (e.outputs().size() != 1 || op_.fusion.anchor_out.size() != 1) {
      result.why = "the epilogue has more than one result";
    } else if (!undo(match_.strip(e.outputs()[0]))) {
      result.why = why_.empty() ? "the epilogue has a step that onednn lacks" : why_;
    } else if (list_.size() > kMaxPostOps) {
      result.why = fmt::format("the epilogue has more than {} steps", kMaxPostOps);
    } else if (confuses_constants(list_)) {
      result.why = "the epilogue has one activation twice, with other parameters";
    } else {
      result.list = std::move(list_);
    }
    return result;
  }

 private:
  bool depends(int n) const { return depends_[static_cast<size_t>(n)]; }
  bool is(int n, ScalarOp op) const { return match_.is(n, op); }
  int arg(int n, int k) const { return match_.arg(n, k); }
  bool refuse(std::string why) {
    if (why_.empty()) why_ = std::move(why);
    return false;
  }

  // Appends the steps that make node n of the anchor's result.
  bool undo(int n) {
    const ExprNode& e = match_.node(n);
    if (!is_float(e.dtype) || e.dtype == DType::F64) {
      return refuse(fmt::format("a step of the epilogue computes {}", to_string(e.dtype)));
    }
    if (e.op == ScalarOp::Input && e.input == 0) return true;
    if (!depends(n)) return refuse("the epilogue does not use the anchor's result alone");
    // Steps are appended innermost first, so a way that failed leaves only what must go.
    constexpr bool (Matcher::*kWays[])(int) = {&Matcher::undo_activation, &Matcher::undo_unary,
                                               &Matcher::undo_clip, &Matcher::undo_select,
                                               &Matcher::undo_arithmetic};
    for (auto way : kWays) {
      list_.clear();
      if ((this->*way)(n)) return true;
    }
    return refuse(fmt::format("onednn has no post-operation for {} here", to_string(e.op)));
  }

  bool step(int inner, Eltwise fn, double alpha = 0, double beta = 0) {
    if (!undo(inner)) return false;
    PostOp p;
    p.eltwise = fn;
    p.alpha = static_cast<float>(alpha);
    p.beta = static_cast<float>(beta);
    list_.push_back(p);
    return true;
  }

  // alpha * x + beta, joined with one directly before it.
  bool linear(int inner, double alpha, double beta) {
    if (!undo(inner)) return false;
    if (alpha == 1 && beta == 0) return true;
    const bool joins = !list_.empty() && list_.back().kind == PostOp::Kind::Eltwise &&
                       list_.back().eltwise == Eltwise::Linear;
    if (!joins) {
      list_.emplace_back();
      list_.back().alpha = 1;
    }
    PostOp& p = list_.back();
    p.beta = static_cast<float>(alpha * p.beta + beta);
    p.alpha = static_cast<float>(alpha * p.alpha);
    return true;
  }

  bool undo_unary(int n) {
    switch (match_.node(n).op) {
      case ScalarOp::Sigmoid: return step(arg(n, 0), Eltwise::Sigmoid);
      case ScalarOp::Tanh: return step(arg(n, 0), Eltwise::Tanh);
      case ScalarOp::Abs: return step(arg(n, 0), Eltwise::Abs);
      case ScalarOp::Sqrt: return step(arg(n, 0), Eltwise::Sqrt);
      case ScalarOp::Exp: return step(arg(n, 0), Eltwise::Exp);
      case ScalarOp::Log: return step(arg(n, 0), Eltwise::Log);
      case ScalarOp::Round: return step(arg(n, 0), Eltwise::Round);
      case ScalarOp::Neg: return linear(arg(n, 0), -1, 0);
      default: return false;
    }
  }

  bool undo_clip(int n) {
    int inner = 0;
    double low = 0, high = 0;
    if (!match_.clip(n, &inner, &low, &high) || !depends(inner)) return false;
    if (low == 0 && high == std::numeric_limits<double>::infinity()) {
      return step(inner, Eltwise::Relu);
    }
    constexpr double kMost = std::numeric_limits<float>::max();
    return step(inner, Eltwise::Clip, std::max(low, -kMost), std::min(high, kMost));
  }

  // Functions that read their argument more than once, x * gate(x) among them.
  bool undo_activation(int n) {
    const bool product = is(n, ScalarOp::Mul) || is(n, ScalarOp::Div);
    if (is(n, ScalarOp::Max)) return undo_leaky_max(n);
    if (is(n, ScalarOp::Add)) return undo_softplus(n);
    if (!product) return false;
    for (int t = n - 1; t >= 0; --t) {
      if (!depends(t) || match_.strip(t) != t) continue;
      const Product p = match_.product(n, t);
      if (p.factors.size() != 2) continue;
      for (int k = 0; k < 2; ++k) {
        if (p.factors[static_cast<size_t>(k)] != t) continue;
        if (undo_gate(t, p.factors[static_cast<size_t>(1 - k)], p.scale)) return true;
      }
    }
    return false;
  }

  // scale * t * gate(t).
  bool undo_gate(int t, int gate, double scale) {
    if (gate == t) return scaled(t, Eltwise::Square, 0, scale);
    if (is(gate, ScalarOp::Sigmoid)) {
      const auto p = match_.polynomial(arg(gate, 0), t);
      if (!p || !p->is_affine() || p->c[0] != 0) return false;
      return scaled(t, Eltwise::Swish, p->c[1], scale);
    }
    if (is(gate, ScalarOp::Tanh) && is_softplus(arg(gate, 0), t)) {
      return scaled(t, Eltwise::Mish, 0, scale);
    }
    int inner = 0;
    double value = 0, low = 0, high = 0;
    if (match_.with_literal(gate, ScalarOp::Add, &inner, &value) && value == 1) {
      if (is_erf_gate(inner, t)) return scaled(t, Eltwise::GeluErf, 0, 2 * scale);
      if (is_tanh_gate(inner, t)) return scaled(t, Eltwise::GeluTanh, 0, 2 * scale);
    }
    if (match_.clip(gate, &inner, &low, &high) && low == 0) {
      const auto p = match_.polynomial(inner, t);
      if (!p || !p->is_affine() || !is_close(p->c[1] * 6, high) || !is_close(p->c[0] * 2, high)) {
        return false;
      }
      return scaled(t, Eltwise::HardSwish, 0, scale * high);
    }
    return false;
  }

  bool scaled(int t, Eltwise fn, double alpha, double scale) {
    if (!step(t, fn, alpha)) return false;
    if (is_close(scale, 1)) return true;
    list_.emplace_back();
    list_.back().alpha = static_cast<float>(scale);
    return true;
  }

  bool is_erf_gate(int n, int t) const {
    if (!is(n, ScalarOp::Erf)) return false;
    const auto p = match_.polynomial(arg(n, 0), t);
    return p && p->is_affine() && p->c[0] == 0 && is_close(p->c[1], std::sqrt(0.5));
  }
  bool is_tanh_gate(int n, int t) const {
    if (!is(n, ScalarOp::Tanh)) return false;
    const auto p = match_.polynomial(arg(n, 0), t);
    const double root = 0.7978845608028654;  // sqrt(2 / pi)
    return p && p->c[0] == 0 && p->c[2] == 0 && is_close(p->c[1], root) &&
           is_close(p->c[3], root * 0.044715);
  }
  // log(1 + e^t), plain or without overflow.
  bool is_softplus(int n, int t) const {
    if (is(n, ScalarOp::Log1p)) return is(arg(n, 0), ScalarOp::Exp) && arg(arg(n, 0), 0) == t;
    if (!is(n, ScalarOp::Add)) return false;
    for (int k = 0; k < 2; ++k) {
      int inner = 0;
      double zero = 1;
      const int tail = arg(n, 1 - k);
      if (!match_.with_literal(arg(n, k), ScalarOp::Max, &inner, &zero)) continue;
      if (zero != 0 || inner != t || !is(tail, ScalarOp::Log1p)) continue;
      const int e = arg(tail, 0);
      if (is(e, ScalarOp::Exp) && is(arg(e, 0), ScalarOp::Neg) &&
          is(arg(arg(e, 0), 0), ScalarOp::Abs) && arg(arg(arg(e, 0), 0), 0) == t) {
        return true;
      }
    }
    return false;
  }
  bool undo_softplus(int n) {
    for (int t = n - 1; t >= 0; --t) {
      if (depends(t) && is_softplus(n, t)) return step(t, Eltwise::Softplus);
    }
    return false;
  }

  // max(t, a t) with a in [0, 1].
  bool undo_leaky_max(int n) {
    for (int k = 0; k < 2; ++k) {
      const int t = arg(n, k);
      if (!depends(t)) continue;
      const auto p = match_.polynomial(arg(n, 1 - k), t);
      if (p && p->is_affine() && p->c[0] == 0 && p->c[1] > 0 && p->c[1] <= 1) {
        return step(t, Eltwise::Relu, p->c[1]);
      }
    }
    return false;
  }

  // select(t < 0, negative, t) in its four forms.
  bool undo_select(int n) {
    if (!is(n, ScalarOp::Select)) return false;
    const ExprNode& test = match_.node(match_.node(n).args[0]);
    const bool less = test.op == ScalarOp::Less || test.op == ScalarOp::LessEqual;
    const bool more = test.op == ScalarOp::Greater || test.op == ScalarOp::GreaterEqual;
    if (!less && !more) return false;
    const int t = match_.strip(test.args[0]);
    const int negative = arg(n, less ? 1 : 2), positive = arg(n, less ? 2 : 1);
    if (!match_.is_literal(match_.strip(test.args[1]), 0) || positive != t || !depends(t)) {
      return false;
    }
    const auto p = match_.polynomial(negative, t);
    if (p && p->is_affine() && p->c[0] == 0) return step(t, Eltwise::Relu, p->c[1]);
    const Product product = match_.product(negative, t);
    if (product.factors.size() == 1 && is_expm1(product.factors[0], t)) {
      return step(t, Eltwise::Elu, product.scale);
    }
    return undo_prelu(t, product);
  }

  bool is_expm1(int n, int t) const {
    if (is(n, ScalarOp::Expm1)) return arg(n, 0) == t;
    return is(n, ScalarOp::Sub) && match_.is_literal(arg(n, 1), 1) &&
           is(arg(n, 0), ScalarOp::Exp) && arg(arg(n, 0), 0) == t;
  }

  bool undo_prelu(int t, const Product& product) {
    if (product.factors.size() != 2 || product.scale != 1) return false;
    const int slope = product.factors[product.factors[0] == t ? 1 : 0];
    const bool has_t = product.factors[0] == t || product.factors[1] == t;
    if (!has_t || depends(slope) || !undo(t)) return false;
    PostOp p;
    p.kind = PostOp::Kind::Prelu;
    if (!read_operand(slope, p)) return false;
    for (size_t d = 0; d < p.with.dims.size(); ++d) {
      if (d != 1 && p.with.dims[d] != 1) return refuse("the slopes are not by channel");
    }
    if (p.with.dtype != DType::F32) return refuse("the slopes are not f32");
    list_.push_back(std::move(p));
    return true;
  }

  // x + b, x * b and the like with a literal or an operand.
  bool undo_arithmetic(int n) {
    constexpr std::pair<ScalarOp, Binary> kOps[] = {
        {ScalarOp::Add, Binary::Add}, {ScalarOp::Sub, Binary::Sub}, {ScalarOp::Mul, Binary::Mul},
        {ScalarOp::Div, Binary::Div}, {ScalarOp::Max, Binary::Max}, {ScalarOp::Min, Binary::Min}};
    const ScalarOp op = match_.node(n).op;
    const auto* entry =
        std::find_if(std::begin(kOps), std::end(kOps), [&](auto& o) { return o.first == op; });
    if (entry == std::end(kOps)) {
      if (op != ScalarOp::Pow || !match_.literal(arg(n, 1))) return false;
      return step(arg(n, 0), Eltwise::Pow, 1, *match_.literal(arg(n, 1)));
    }
    const bool left = depends(arg(n, 0)), right = depends(arg(n, 1));
    if (left && right) return refuse("a step combines two functions of the anchor's result");
    const int inner = arg(n, left ? 0 : 1), other = arg(n, left ? 1 : 0);
    if (const auto v = match_.literal(other)) return undo_literal(n, inner, *v, left);
    if (!left && op == ScalarOp::Div) return refuse("the anchor's result is a divisor");
    if (!undo(inner)) return false;
    PostOp p;
    p.kind = PostOp::Kind::Binary;
    p.binary = entry->second;
    if (!left && op == ScalarOp::Sub) {  // b - x  ->  -x + b
      list_.emplace_back();
      list_.back().alpha = -1;
      p.binary = Binary::Add;
    }
    if (!read_operand(other, p)) return false;
    list_.push_back(std::move(p));
    return true;
  }

  bool undo_literal(int n, int inner, double v, bool left) {
    switch (match_.node(n).op) {
      case ScalarOp::Add: return linear(inner, 1, v);
      case ScalarOp::Sub: return left ? linear(inner, 1, -v) : linear(inner, -1, v);
      case ScalarOp::Mul: return linear(inner, v, 0);
      case ScalarOp::Div:
        if (!left || v == 0) return refuse("the anchor's result is a divisor");
        return linear(inner, 1 / v, 0);
      default: return false;
    }
  }

  // The operand behind node n, which must be an input as it is.
  bool read_operand(int n, PostOp& into) {
    const ExprNode& e = match_.node(n);
    if (e.op != ScalarOp::Input) return refuse("an operand of the epilogue is an expression");
    into.operand = e.input == last_input_ ? 0 : op_.fusion.anchor_operands + e.input - 1;
    if (into.operand == 0 && !op_.fusion.prologue.empty() && !op_.fusion.prologue[0].empty()) {
      return refuse("the epilogue reads operand 0 after its prologue");
    }
    const TensorType& type = op_.in[static_cast<size_t>(into.operand)];
    if (type.dtype != DType::F32 && type.dtype != DType::BF16) {
      return refuse(fmt::format("an operand of the epilogue is {}", to_string(type.dtype)));
    }
    into.with = operand_memory(op_, into.operand);
    return widen(into.with);
  }

  // To the rank of the result. A blocked tensor of one batch and no space is a dense vector.
  bool widen(MemorySpec& m) {
    const std::vector<int64_t> whole = op_.out[0].shape.sizes();
    if (m.blocked && m.dims != whole) {
      for (size_t d = 0; d < m.dims.size(); ++d) {
        if (d != 1 && m.dims[d] != 1) return refuse("a blocked operand is broadcast");
      }
      m.blocked = false;
      m.strides.assign(m.dims.size(), 1);
      m.strides[0] = m.dims[1];
    }
    const size_t missing = whole.size() - m.dims.size();
    int64_t count = 1;
    for (int64_t d : m.dims) count *= d;
    m.dims.insert(m.dims.begin(), missing, 1);
    if (!m.blocked) m.strides.insert(m.strides.begin(), missing, std::max<int64_t>(count, 1));
    return true;
  }

  const OpInstance& op_;
  ExprMatch match_;
  std::span<const ExprNode> nodes_;
  std::vector<bool> depends_;
  int last_input_ = 0;
  std::vector<PostOp> list_;
  std::string why_;
};

}  // namespace

PostOps match_post_ops(const OpInstance& op) {
  if (op.fusion.epilogue.empty()) return {};
  return Matcher(op).run();
}

MemorySpec operand_memory(const OpInstance& op, int k) {
  const TensorType& type = op.in[static_cast<size_t>(k)];
  if (type.absent()) return {};
  if (type.layout == Layout::Blocked16) return blocked_memory(type);
  return memory_of(type, operand_strides(op, k));
}

MemorySpec result_memory(const OpInstance& op, int k) {
  const TensorType& type = op.out[static_cast<size_t>(k)];
  if (type.layout == Layout::Blocked16) return blocked_memory(type);
  return memory_of(type, result_strides(op, k));
}

}  // namespace lathe::cpu
