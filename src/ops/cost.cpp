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
  Cost cost;
  if (op.def->cost != nullptr) {
    cost.flops = op.def->cost(anchor).flops;
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
  for (const TensorType& t : op.in) cost.bytes += size_of(t);
  for (const TensorType& t : op.out) cost.bytes += size_of(t);
  return cost;
}

}  // namespace lathe
