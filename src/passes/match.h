// SPDX-License-Identifier: Apache-2.0
#pragma once
// Questions that several passes ask of nodes and values.
#include <optional>

#include "graph/rewriter.h"

namespace lathe {

// The node that defines `v` when it is one of operator `op`, else null.
Node* made_by(const Value* v, std::string_view op);
// Nobody reads any output: left over by an earlier rewrite.
bool is_dead(const Node& node);
// The only element of a constant with one element.
std::optional<double> scalar_constant(const Value* v);
// All elements of a constant when they are equal.
std::optional<double> splat_constant(const Value* v);
// A Pointwise with one output: its expression, else null.
const Expr* pointwise_expr(const Node* node);
// A cast of integers stands at this place of the expression.
bool casts_integers(const Expr& e, int32_t at);
// Its elements are whole numbers: a cast of integers, or a constant that has no others. Sums of
// their products are exact in F32.
bool is_integral(const Value* v);
// A Pointwise of operator `op` alone over exactly its operands in order ("add(a, b)").
bool is_pointwise(const Node* node, ScalarOp op);
// `shape` with leading ones up to `rank`.
Shape padded_to(const Shape& shape, int rank);
// Bytes of a concrete, computable type; nothing for others.
std::optional<int64_t> bytes_of(const TensorType& type);
// Attributes of a Slice that takes [start, start + size) along one axis.
Attrs slice_attrs(int axis, Dim start, Dim size);
// "a+b", either alone where the other is empty.
std::string joined_names(std::string_view a, std::string_view b);

}  // namespace lathe
