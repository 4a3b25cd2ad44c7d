// SPDX-License-Identifier: Apache-2.0
// fold_affine: BatchNorm, scales and biases behind or in front of a convolution, deconvolution or
// product go into its weights and bias.
//   (w . x + b) * s + o  ->  (w * s) . x + (b * s + o)
//   w . (x * s + o) + b  ->  (w * s) . x + (b + w . o)     o only where nothing is padded with 0
#include <algorithm>

#include "passes/affine.h"
#include "passes/match.h"
#include "passes/pass.h"

namespace lathe {
namespace {

// Weights seen as [rows of one output channel each], whatever the operator's layout.
struct Weights {
  const HostTensor* tensor;
  DType dtype;
  int64_t outputs, inputs;  // channels of the result, channels of x
  int64_t group = 1;
  enum class Kind { Conv, Deconv, Product, ProductTransposed } kind;
  int64_t inner;  // kernel elements for each pair of channels

  // The channel of the result, and of x, that element `at` belongs to.
  int64_t output_of(int64_t at) const {
    switch (kind) {
      case Kind::Conv: return at / (inner * (inputs / group));
      case Kind::Deconv:
        return at / inner % (outputs / group) + group_of_input(input_of(at)) * (outputs / group);
      case Kind::Product: return at % outputs;
      default: return at / inputs;
    }
  }
  int64_t input_of(int64_t at) const {
    switch (kind) {
      case Kind::Conv:
        return at / inner % (inputs / group) + output_of(at) / (outputs / group) * (inputs / group);
      case Kind::Deconv: return at / (inner * (outputs / group));
      case Kind::Product: return at / outputs;
      default: return at % inputs;
    }
  }
  int64_t group_of_input(int64_t input) const { return input / (inputs / group); }
};

std::optional<Weights> weights_of(const Node& n) {
  const HostTensor* t = n.in(1) ? n.in(1)->constant() : nullptr;
  if (!t || !is_float(t->dtype()) || !is_computable(t->dtype()) || t->elements() == 0) return {};
  const std::vector<int64_t> s = t->shape().sizes();
  if (n.is("MatMul")) {
    if (s.size() != 2 || n.op.attrs.i("transpose_a") != 0) return {};
    if (n.in(0)->type.dtype != t->dtype()) return {};
    const bool flip = n.op.attrs.i("transpose_b") != 0;
    return Weights{t,
                   t->dtype(),
                   s[flip ? 0 : 1],
                   s[flip ? 1 : 0],
                   1,
                   flip ? Weights::Kind::ProductTransposed : Weights::Kind::Product,
                   1};
  }
  if (!n.is("Conv") && !n.is("Deconv")) return {};
  const int64_t group = n.op.attrs.i("group");
  const int64_t inner = t->elements() / (s[0] * s[1]);
  if (n.is("Conv"))
    return Weights{t, t->dtype(), s[0], s[1] * group, group, Weights::Kind::Conv, inner};
  return Weights{t, t->dtype(), s[1] * group, s[0], group, Weights::Kind::Deconv, inner};
}

// The bias as numbers, zeros where there is none.
std::optional<std::vector<double>> bias_of(const Node& n, const Weights& w) {
  if (!n.in(2)) return std::vector<double>(static_cast<size_t>(w.outputs), 0);
  return along_axis(n.in(2), 1, 0, w.outputs);
}

bool all_equal(const std::vector<double>& values, double v) {
  return std::all_of(values.begin(), values.end(), [v](double x) { return x == v; });
}

// The anchor again with new weights and bias, in front of `at`.
Result<Value*> rebuilt(Rewriter& rw, Node* anchor, Node* at, Value* x, std::vector<Value*> wb,
                       std::string_view name) {
  rw.before(at);
  return rw.add(anchor->op.def->name, {x, wb[0], wb[1]}, anchor->op.attrs, name);
}

// The Conv, Deconv or MatMul that makes v and is read by nothing else, seen through a Reshape
// of a product's rows.
Node* anchor_of(const Value* v) {
  if (!v->read_once() || !v->producer) return nullptr;
  if (!v->producer->is("Reshape")) return v->producer;
  const Value* y = v->producer->in(0);
  Node* product = made_by(y, "MatMul");
  if (!product || !y->read_once() || v->type.rank() < 1) return nullptr;
  const bool keeps_columns = v->type.shape[v->type.rank() - 1] == y->type.shape[y->type.rank() - 1];
  return keeps_columns ? product : nullptr;
}

// What defer_scales made: scaled weights would round its exact sums.
bool sums_integers(const Node& anchor) {
  return is_integral(anchor.in(0)) && is_integral(anchor.in(1));
}

Status fold_behind(Rewriter& rw, Node* node) {
  for (size_t k = 0; k < node->operands.size(); ++k) {
    Node* anchor = anchor_of(node->in(k));
    if (!anchor) continue;
    const std::optional<Weights> w = weights_of(*anchor);
    if (!w) continue;
    const int rank = node->in(k)->type.rank();
    const auto line = affine_of(*node, k, anchor->is("MatMul") ? rank - 1 : 1, w->outputs);
    if (!line || sums_integers(*anchor)) continue;
    const auto bias = bias_of(*anchor, *w);
    if (!bias) continue;
    std::vector<double> b(*bias);
    for (size_t c = 0; c < b.size(); ++c) b[c] = b[c] * line->scale[c] + line->shift[c];
    auto new_bias = rounded(w->dtype, {Dim(w->outputs)}, b);
    if (!new_bias) continue;
    Value* weights = anchor->in(1);
    rw.before(node);
    if (!all_equal(line->scale, 1)) {
      std::vector<double> values = w->tensor->to_f64();
      for (size_t i = 0; i < values.size(); ++i) {
        values[i] *= line->scale[static_cast<size_t>(w->output_of(static_cast<int64_t>(i)))];
      }
      auto scaled = rounded(w->dtype, w->tensor->shape(), values);
      if (!scaled) continue;
      weights = rw.constant(std::move(*scaled));
    }
    const bool biased = anchor->in(2) || !all_equal(line->shift, 0);
    Value* bias_value = biased ? rw.constant(std::move(*new_bias)) : nullptr;
    Value* y = LATHE_TRY(rebuilt(rw, anchor, node, anchor->in(0), {weights, bias_value},
                                 joined_names(anchor->name, node->name)));
    if (y->type != node->out()->type) {
      y = LATHE_TRY(rw.add("Reshape", {y}, node->in(k)->producer->op.attrs, node->name));
    }
    rw.replace(node->out(), y);
    return {};
  }
  return {};
}

bool is_padded(const Node& anchor) {
  if (anchor.is("MatMul")) return false;
  if (anchor.is("Deconv")) return true;  // zeros between the elements, too
  const Ints& pads = anchor.op.attrs.ints("pads");
  return std::any_of(pads.begin(), pads.end(), [](int64_t p) { return p != 0; });
}

Status fold_before(Rewriter& rw, Node* anchor) {
  const std::optional<Weights> w = weights_of(*anchor);
  if (!w || is_dead(*anchor) || !anchor->in(0)->read_once()) return {};
  Node* node = anchor->in(0)->producer;
  if (!pointwise_expr(node)) return {};
  const int axis = anchor->is("MatMul") ? anchor->in(0)->type.rank() - 1 : 1;
  for (size_t k = 0; k < node->operands.size(); ++k) {
    if (node->in(k)->constant()) continue;
    const auto line = affine_of(*node, k, axis, w->inputs);
    const auto bias = line ? bias_of(*anchor, *w) : std::nullopt;
    if (!bias) continue;
    const bool shifted = !all_equal(line->shift, 0);
    if (shifted && is_padded(*anchor)) continue;
    std::vector<double> values = w->tensor->to_f64(), b(*bias);
    for (size_t i = 0; i < values.size(); ++i) {
      const auto from = static_cast<size_t>(w->input_of(static_cast<int64_t>(i)));
      const auto to = static_cast<size_t>(w->output_of(static_cast<int64_t>(i)));
      b[to] += values[i] * line->shift[from];
      values[i] *= line->scale[from];
    }
    auto scaled = rounded(w->dtype, w->tensor->shape(), values);
    auto new_bias = rounded(w->dtype, {Dim(w->outputs)}, b);
    if (!scaled || !new_bias) continue;
    rw.before(anchor);
    Value* bias_value = shifted ? rw.constant(std::move(*new_bias)) : anchor->in(2);
    Value* y = LATHE_TRY(rebuilt(rw, anchor, anchor, node->in(k),
                                 {rw.constant(std::move(*scaled)), bias_value},
                                 joined_names(node->name, anchor->name)));
    rw.replace(anchor->out(), y);
    return {};
  }
  return {};
}

Result<bool> run_fold_affine(Graph& graph, const PassOptions&) {
  Rewriter rw(graph);
  for (Node* node : graph.nodes()) {
    if (pointwise_expr(node) && !is_dead(*node)) LATHE_TRY(fold_behind(rw, node));
  }
  rw.erase_dead();  // what stood in front of a folded node must not count as a reader
  for (Node* node : graph.nodes()) LATHE_TRY(fold_before(rw, node));
  rw.erase_dead();
  return rw.changes() > 0;
}

}  // namespace

const Pass& pass_fold_affine() {
  static constexpr Pass pass{
      .name = "fold_affine",
      .doc =
          "An expression a * x + b with constants for each channel goes into the weights and "
          "bias of the Conv, Deconv or MatMul in front of it or behind it, when nothing else "
          "reads what lies between.",
      .run = run_fold_affine};
  return pass;
}

}  // namespace lathe
