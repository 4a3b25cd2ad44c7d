// SPDX-License-Identifier: Apache-2.0
#include "passes/match.h"

#include <algorithm>
#include <cmath>

namespace lathe {

Node* made_by(const Value* v, std::string_view op) {
  return v && v->producer && v->producer->is(op) ? v->producer : nullptr;
}

bool is_dead(const Node& node) {
  return std::all_of(node.outputs.begin(), node.outputs.end(),
                     [](const Value* v) { return v->readers.empty() && v->output_uses == 0; });
}

std::optional<double> scalar_constant(const Value* v) {
  const HostTensor* t = v ? v->constant() : nullptr;
  if (!t || t->elements() != 1 || !is_computable(t->dtype())) return {};
  return t->get_f64(0);
}

std::optional<double> splat_constant(const Value* v) {
  const HostTensor* t = v ? v->constant() : nullptr;
  if (!t || t->elements() == 0 || !is_computable(t->dtype())) return {};
  const size_t width = t->bytes().size() / static_cast<size_t>(t->elements());
  for (size_t at = width; at < t->bytes().size(); at += width) {
    if (!std::equal(t->bytes().begin(), t->bytes().begin() + static_cast<long>(width),
                    t->bytes().begin() + static_cast<long>(at))) {
      return {};
    }
  }
  return t->get_f64(0);
}

const Expr* pointwise_expr(const Node* node) {
  if (!node || !node->is("Pointwise") || node->outputs.size() != 1) return nullptr;
  return &node->op.attrs.expr("expr");
}

bool casts_integers(const Expr& e, int32_t at) {
  const ExprNode& n = e.nodes()[static_cast<size_t>(at)];
  return n.op == ScalarOp::Cast && is_float(n.dtype) &&
         is_int(e.nodes()[static_cast<size_t>(n.args[0])].dtype);
}

bool is_integral(const Value* v) {
  if (const HostTensor* t = v->constant()) {
    if (!is_float(t->dtype()) || !is_computable(t->dtype())) return false;
    for (int64_t i = 0; i < t->elements(); ++i) {
      if (t->get_f64(i) != std::trunc(t->get_f64(i))) return false;
    }
    return true;
  }
  const Expr* e = pointwise_expr(v->producer);
  return e && casts_integers(*e, e->outputs()[0]);
}

bool is_pointwise(const Node* node, ScalarOp op) {
  const Expr* e = pointwise_expr(node);
  if (!e) return false;
  const ExprNode& root = e->nodes()[static_cast<size_t>(e->outputs()[0])];
  if (root.op != op || node->operands.size() != static_cast<size_t>(arity(op))) return false;
  for (int k = 0; k < arity(op); ++k) {
    const ExprNode& arg = e->nodes()[static_cast<size_t>(root.args[k])];
    if (arg.op != ScalarOp::Input || arg.input != k) return false;
  }
  return true;
}

Shape padded_to(const Shape& shape, int rank) {
  std::vector<Dim> dims(static_cast<size_t>(std::max(0, rank - shape.rank())), Dim(1));
  dims.insert(dims.end(), shape.begin(), shape.end());
  return Shape(std::move(dims));
}

std::optional<int64_t> bytes_of(const TensorType& type) {
  if (type.absent() || !is_computable(type.dtype) || !type.shape.is_concrete()) return {};
  Result<int64_t> size = storage_bytes(type);
  return size.ok() ? std::optional(*size) : std::nullopt;
}

Attrs slice_attrs(int axis, Dim start, Dim size) {
  Attrs attrs;
  attrs.set("axes", Ints{axis}).set("steps", Ints{1});
  attrs.set("starts", Dims{std::move(start)}).set("sizes", Dims{std::move(size)});
  return attrs;
}

std::string joined_names(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return std::string(a.empty() ? b : a);
  return fmt::format("{}+{}", a, b);
}

}  // namespace lathe
