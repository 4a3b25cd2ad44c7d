// SPDX-License-Identifier: Apache-2.0
#include "ops/op.h"

namespace lathe {
namespace {

double size_of(const TensorType& type) {
  if (type.absent() || type.dtype == DType::String) return 0;
  return static_cast<double>(type.shape.elements()) * bits(type.dtype) / 8;
}

// Instructions that compute something, for each element.
double work(const Expr& expr) {
  double n = 0;
  for (const ExprNode& node : expr.nodes()) {
    n += node.op != ScalarOp::Input && node.op != ScalarOp::Literal;
  }
  return n;
}

}  // namespace

Cost cost_of(const OpInstance& op) {
  OpInstance anchor = op;
  const Fusion& f = op.fusion;
  if (!f.empty()) {
    anchor.in = f.anchor_in;
    anchor.out = f.anchor_out;
    anchor.fusion = {};
  }
  // The operator knows what it reads of its operands: a Gather does not read the whole table.
  Cost cost;
  size_t known_in = 0, known_out = 0;
  if (op.def->cost != nullptr) {
    cost = op.def->cost(anchor);
    known_in = anchor.in.size();
    known_out = anchor.out.size();
  } else {
    for (const TensorType& t : anchor.out) cost.flops += static_cast<double>(t.shape.elements());
  }
  for (size_t k = 0; k < f.prologue.size(); ++k) {
    if (!f.prologue[k].empty()) {
      cost.flops += work(f.prologue[k]) * static_cast<double>(op.in[k].shape.elements());
    }
  }
  if (!f.epilogue.empty()) {
    cost.flops += work(f.epilogue) * static_cast<double>(op.out[0].shape.elements());
  }
  for (size_t k = known_in; k < op.in.size(); ++k) cost.bytes += size_of(op.in[k]);
  for (size_t k = known_out; k < op.out.size(); ++k) cost.bytes += size_of(op.out[k]);
  return cost;
}

}  // namespace lathe
