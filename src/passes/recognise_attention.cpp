// SPDX-License-Identifier: Apache-2.0
// recognise_attention: softmax(q k^T * scale + mask) v in the forms that exporters write becomes
// Attention. The scale may stand on q, on k, on both or behind the product; masks are addends
// (a bias of positions and a mask of padding, summed first) or a Where that puts -inf or a number
// beside which scores vanish; a Where(IsNaN) around the softmax is what Attention does by itself.
#include <algorithm>
#include <cmath>

#include "passes/match.h"
#include "passes/pass.h"
#include "passes/term.h"

namespace lathe {
namespace {

// Added to the scores; of a bool tensor, `shown` where true and `hidden` where false.
struct Mask {
  Value* tensor;
  double shown = 0, hidden = 0;
};

struct Match {
  Value *q = nullptr, *k = nullptr, *v = nullptr;  // k as MatMul reads it
  std::vector<Mask> masks;
  double scale = 1;
  bool k_transposed = false;  // k is [..., T, D] already
  Node* scores = nullptr;     // the first product
};

// A product without bias and without a transposed first operand.
bool is_plain_product(const Node* n) {
  return n && n->is("MatMul") && !n->in(2) && n->op.attrs.i("transpose_a") == 0;
}

// Behind factors that are literals: the tensor, and the factors multiplied into *scale.
Value* unscaled(Value* v, double* scale) {
  const Product p = product_of(Term::of(v));
  if (p.factors.size() != 1 || !p.factors[0].tensor() || !std::isfinite(p.scale)) return v;
  Value* tensor = p.factors[0].tensor();
  if (tensor->type != v->type) return v;
  *scale *= p.scale;
  return tensor;
}

// The softmax whose probabilities `v` are, seen through Where(IsNaN(p), 0, p).
Node* softmax_of(const Value* v) {
  Node* softmax = made_by(v, "Softmax");
  if (softmax) return v->read_once() ? softmax : nullptr;
  const Node* where = v->producer;
  const Term t = Term::of(const_cast<Value*>(v));
  if (!where || !v->read_once() || !t.is(ScalarOp::Select)) return nullptr;
  const Term condition = t.arg(0);
  const std::optional<double> fill = t.arg(1).literal();
  if (!condition.is(ScalarOp::IsNan) || !(condition.arg(0) == t.arg(2)) || fill != 0)
    return nullptr;
  Value* p = t.arg(2).tensor();
  softmax = made_by(p, "Softmax");
  const bool private_to_it =
      softmax && p->output_uses == 0 &&
      std::all_of(p->readers.begin(), p->readers.end(), [&](const Node* r) {
        return r == where || (r->out()->read_once() && r->out()->readers.size() == 1 &&
                              r->out()->readers[0] == where);
      });
  return private_to_it ? softmax : nullptr;
}

bool take_product(Term t, Match& m) {
  const Product p = product_of(t);
  if (p.factors.size() != 1 || !std::isfinite(p.scale)) return false;
  Value* tensor = p.factors[0].tensor();
  if (!tensor || !is_plain_product(made_by(tensor, "MatMul")) || !tensor->read_once()) return false;
  m.scores = tensor->producer;
  m.scale = p.scale;
  return true;
}

constexpr size_t kMaxMasks = 4;
constexpr double kDrowns = -1e30;  // any score added to it is lost, as if it were put in its place

bool match_scores(Term t, Match& m, size_t masks);

// select(mask, scores, hidden) or the other way round.
bool match_where(Term t, Match& m, size_t masks) {
  Value* condition = t.arg(0).tensor();
  if (!condition) return false;
  for (int scores : {1, 2}) {
    const std::optional<double> hidden = t.arg(3 - scores).literal();
    if (!hidden || !(*hidden <= kDrowns)) continue;
    if (!match_scores(t.arg(scores), m, masks + 1)) return false;
    m.masks.push_back(scores == 1 ? Mask{condition, 0, *hidden} : Mask{condition, *hidden, 0});
    return true;
  }
  return false;
}

// scores = scale * product [+ masks and zeros, or hidden by masks], each read by the next alone.
bool match_scores(Term t, Match& m, size_t masks = 0) {
  if (take_product(t, m)) return true;
  if (masks == kMaxMasks || (t.tensor() && !t.tensor()->read_once())) return false;
  if (t.is(ScalarOp::Select)) return match_where(t, m, masks);
  if (!t.is(ScalarOp::Add)) return false;
  return t.either_order([&](Term scores, Term mask) {
    const bool nothing = mask.literal() == 0.0;
    if (!nothing && !mask.tensor()) return false;
    if (!match_scores(scores, m, masks + 1)) return false;
    if (!nothing) m.masks.push_back({mask.tensor()});
    return true;
  });
}

// k^T has a Transpose of its own above it, which the one that is added will meet and undo.
bool has_own_transpose(const Value* v) {
  while (v->read_once() && v->producer) {
    if (v->producer->is("Transpose")) return true;
    if (!v->producer->is("Reshape")) return false;
    v = v->producer->in(0);
  }
  return false;
}

bool match(Node* root, Match& m) {
  if (!is_plain_product(root) || root->op.attrs.i("transpose_b") != 0 || is_dead(*root))
    return false;
  m.v = root->in(1);
  Node* softmax = softmax_of(root->in(0));
  if (!softmax || softmax->op.attrs.i("log") != 0) return false;
  const int rank = softmax->out()->type.rank();
  Result<int> axis = normalize_axis(softmax->op.attrs.i("axis"), rank);
  if (!axis.ok() || *axis != rank - 1 || !softmax->in(0)->read_once()) return false;
  if (!match_scores(Term::of(softmax->in(0)), m)) return false;
  if (m.scores->out()->type != softmax->out()->type) return false;
  for (const Mask& mask : m.masks) {
    if (mask.tensor->type.rank() > rank) return false;
  }
  m.q = unscaled(m.scores->in(0), &m.scale);
  m.k = unscaled(m.scores->in(1), &m.scale);
  m.k_transposed = m.scores->op.attrs.i("transpose_b") != 0;
  if (!is_float(m.q->type.dtype) || m.q->type.dtype != m.v->type.dtype) return false;
  return m.k_transposed || has_own_transpose(m.k);
}

Result<Value*> swapped(Rewriter& rw, Value* v) {
  Ints perm;
  for (int d = 0; d < v->type.rank(); ++d) perm.push_back(d);
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return rw.add("Transpose", {v}, Attrs().set("perm", std::move(perm)));
}

// What the mask adds, in the scores' type.
Result<Value*> addend(Rewriter& rw, const Mask& mask, DType type, const std::string& name) {
  if (mask.tensor->type.dtype != DType::Bool) return mask.tensor;
  Expr choose({DType::Bool});
  choose.output(choose.call(ScalarOp::Select, {choose.input(0), choose.literal(type, mask.shown),
                                               choose.literal(type, mask.hidden)}));
  return rw.pointwise(std::move(choose), {mask.tensor}, name);
}

Result<Value*> sum_of(Rewriter& rw, const std::vector<Mask>& masks, DType type,
                      const std::string& name) {
  Value* sum = LATHE_TRY(addend(rw, masks[0], type, name));
  for (size_t k = 1; k < masks.size(); ++k) {
    Value* next = LATHE_TRY(addend(rw, masks[k], type, name));
    Expr add({sum->type.dtype, next->type.dtype});
    add.output(add.call(ScalarOp::Add, {add.input(0), add.input(1)}));
    sum = LATHE_TRY(rw.pointwise(std::move(add), {sum, next}, name));
  }
  return sum;
}

Result<bool> run_recognise_attention(Graph& graph, const PassOptions&) {
  Rewriter rw(graph);
  for (Node* root : graph.nodes()) {
    Match m;
    if (!match(root, m)) continue;
    rw.before(root);
    Value* k = m.k_transposed ? m.k : LATHE_TRY(swapped(rw, m.k));
    std::vector<Value*> operands{m.q, k, m.v};
    if (!m.masks.empty()) {
      operands.push_back(LATHE_TRY(sum_of(rw, m.masks, m.q->type.dtype, m.scores->name)));
    }
    Attrs attrs;
    attrs.set("scale", m.scale).set("causal", int64_t{0});
    Result<Value*> y = rw.add("Attention", std::move(operands), std::move(attrs),
                              joined_names(m.scores->name, root->name));
    if (y.ok() && (*y)->type == root->out()->type) rw.replace(root->out(), *y);
  }
  if (rw.changes() > 0) rw.erase_dead();
  return rw.changes() > 0;
}

}  // namespace

const Pass& pass_recognise_attention() {
  static constexpr Pass pass{
      .name = "recognise_attention",
      .doc =
          "softmax(q k^T * scale + mask) v becomes Attention. A row that the mask excludes "
          "whole gives 0 where the chain gives NaN.",
      .run = run_recognise_attention};
  return pass;
}

}  // namespace lathe
