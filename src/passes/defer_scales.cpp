// SPDX-License-Identifier: Apache-2.0
// defer_scales: convolutions and products of dequantized tensors multiply the integers, and scale
// the sums.
//   (x * s) . (w * t) + b  ->  (x . w) * (s * t) + b     x, w: integers, cast
// F32 adds integers exactly (below 2^24), in any order: a quantized network computes what it would
// in integers, where the last place of a sum of rounded products decided over a step of the next
// tensor. It is the form, too, in which a tactic finds the integers.
#include "passes/match.h"
#include "passes/pass.h"

namespace lathe {
namespace {

// A value that is integers times a scale.
struct Scaled {
  Expr integers;
  std::vector<Value*> operands;  // of `integers`
  Value* scale;
};

std::optional<Scaled> scaled(const Value* v) {
  const Node* node = v->producer;
  const Expr* e = pointwise_expr(node);
  if (e == nullptr) return {};
  const ExprNode& root = e->nodes()[static_cast<size_t>(e->outputs()[0])];
  if (root.op != ScalarOp::Mul || root.dtype != DType::F32 || !casts_integers(*e, root.args[0]))
    return {};
  const ExprNode& factor = e->nodes()[static_cast<size_t>(root.args[1])];
  if (factor.op != ScalarOp::Input || factor.dtype != DType::F32) return {};
  const auto k = static_cast<size_t>(factor.input);
  Expr one;
  one.output(one.literal(DType::F32, 1));
  Scaled s{e->inlined(factor.input, one).simplified(), node->operands, node->operands[k]};
  s.operands.erase(s.operands.begin() + factor.input);
  for (const Value* operand : s.operands) {
    // What is left broadcasts to the shape of the whole.
    if (operand->type.shape == v->type.shape) return s;
  }
  return {};
}

bool is_scalar(const Value* v) {
  for (int d = 0; d < v->type.rank(); ++d) {
    if (!v->type.shape[d].is(1)) return false;
  }
  return true;
}

// The shape in which the scale of the weights broadcasts over the results: of one number, or of one
// for each of their channels. Nothing: it varies otherwise.
std::optional<Dims> shape_behind(const Node& anchor, const Value* scale) {
  if (is_scalar(scale)) return Dims();
  const bool conv = anchor.is("Conv");
  const int rank = anchor.in(1)->type.rank();
  if (scale->type.rank() != rank || (!conv && rank != 2)) return {};
  const int axis = conv || anchor.op.attrs.i("transpose_b") != 0 ? 0 : rank - 1;
  for (int d = 0; d < rank; ++d) {
    if (d != axis && !scale->type.shape[d].is(1)) return {};
  }
  Dims to(conv ? static_cast<size_t>(rank) - 1 : 1, Dim(1));
  to[0] = scale->type.shape[axis];
  return to;
}

Result<Value*> reshaped(Rewriter& rw, Value* v, Dims to, const Node& anchor) {
  return rw.add("Reshape", {v}, Attrs().set("shape", std::move(to)), anchor.name);
}

// `sum` times the scale, plus the anchor's bias.
Result<Value*> scaled_sum(Rewriter& rw, const Node& anchor, Value* sum, Value* scale) {
  Value* bias = anchor.in(2);
  if (bias == nullptr) {
    return rw.pointwise("(a:f32, b:f32) -> mul(a, b)", {sum, scale}, anchor.name);
  }
  if (anchor.is("Conv")) {
    Dims to(static_cast<size_t>(sum->type.rank()) - 1, Dim(1));
    to[0] = bias->type.shape[0];
    bias = LATHE_TRY(reshaped(rw, bias, std::move(to), anchor));
  }
  return rw.pointwise("(a:f32, b:f32, c:f32) -> add(mul(a, b), c)", {sum, scale, bias},
                      anchor.name);
}

Status defer(Rewriter& rw, Node* anchor) {
  if (!(anchor->is("Conv") || anchor->is("MatMul")) || is_dead(*anchor)) return {};
  const std::optional<Scaled> x = scaled(anchor->in(0)), w = scaled(anchor->in(1));
  if (!x || !w || !is_scalar(x->scale)) return {};
  std::optional<Dims> to = shape_behind(*anchor, w->scale);
  if (!to) return {};
  rw.before(anchor);
  Value* of_x = LATHE_TRY(reshaped(rw, x->scale, {}, *anchor));
  Value* of_w = LATHE_TRY(reshaped(rw, w->scale, *std::move(to), *anchor));
  Value* scale = LATHE_TRY(rw.pointwise("(a:f32, b:f32) -> mul(a, b)", {of_x, of_w}, anchor->name));
  Value* xs = LATHE_TRY(rw.pointwise(x->integers, x->operands, anchor->in(0)->producer->name));
  Value* ws = LATHE_TRY(rw.pointwise(w->integers, w->operands, anchor->in(1)->producer->name));
  Value* sum = LATHE_TRY(rw.add(anchor->op.def->name, {xs, ws}, anchor->op.attrs, anchor->name));
  rw.replace(anchor->out(), LATHE_TRY(scaled_sum(rw, *anchor, sum, scale)));
  return {};
}

Result<bool> run_defer_scales(Graph& graph, const PassOptions&) {
  Rewriter rw(graph);
  for (Node* node : graph.nodes()) LATHE_TRY(defer(rw, node));
  rw.erase_dead();
  return rw.changes() > 0;
}

}  // namespace

const Pass& pass_defer_scales() {
  static constexpr Pass pass{
      .name = "defer_scales",
      .doc =
          "A Conv or MatMul of two dequantized tensors multiplies their integers, whose sums are "
          "exact, and scales the result. Before fold_constants, which would round the products "
          "of weights and scales.",
      .run = run_defer_scales};
  return pass;
}

}  // namespace lathe
