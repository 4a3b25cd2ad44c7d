// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/linear_epilogue.h"

#include <vector>

#include "backends/cuda/kernel_text.h"

namespace lathe::cuda {
namespace {

bool is_zero(const ExprNode& n) {
  return n.op == ScalarOp::Literal && n.value == 0 && n.integer == 0;
}

// The node behind casts between float types: libraries compute in F32 whatever they read and write.
int behind_casts(const Expr& e, int node) {
  for (;;) {
    const ExprNode& n = e.nodes()[static_cast<size_t>(node)];
    if (n.op != ScalarOp::Cast || !is_float(n.dtype)) return node;
    if (!is_float(e.nodes()[static_cast<size_t>(n.args[0])].dtype)) return node;
    node = n.args[0];
  }
}

// The inputs that a tree of additions sums; false when something else is in it.
bool collect_sum(const Expr& e, int node, std::vector<int>& inputs) {
  const ExprNode& n = e.nodes()[static_cast<size_t>(behind_casts(e, node))];
  if (n.op == ScalarOp::Input) {
    inputs.push_back(n.input);
    return true;
  }
  return n.op == ScalarOp::Add && collect_sum(e, n.args[0], inputs) &&
         collect_sum(e, n.args[1], inputs);
}

bool is_sliced(const OpInstance& op, int k) {
  const auto n = static_cast<size_t>(k);
  return n < op.fusion.in_slice.size() && op.fusion.in_slice[n].has_value();
}

// Whether operand k, broadcast to y, changes along `axis` alone, its elements side by side.
bool is_vector(const OpInstance& op, int k, int axis) {
  const TensorType &t = op.in[static_cast<size_t>(k)], &y = op.out[0];
  if (is_sliced(op, k) || t.dtype != anchor_result(op, 0).dtype) return false;
  const int at = axis - (y.rank() - t.rank());
  for (int d = 0; d < t.rank(); ++d) {
    if (d != at && !t.shape[d].is(1)) return false;
  }
  return at >= 0 && t.shape[at] == y.shape[axis];
}

bool is_whole(const OpInstance& op, int k) {
  const TensorType &t = op.in[static_cast<size_t>(k)], &y = op.out[0];
  return !is_sliced(op, k) && t.dtype == anchor_result(op, 0).dtype && t.shape == y.shape &&
         t.layout == y.layout;
}

bool place(const OpInstance& op, int k, int axis, LinearEpilogue* into) {
  if (into->vector < 0 && is_vector(op, k, axis)) {
    into->vector = k;
    return true;
  }
  if (into->tensor < 0 && is_whole(op, k)) {
    into->tensor = k;
    return true;
  }
  return false;
}

}  // namespace

Support match_linear(const OpInstance& op, int bias, int vector_axis, LinearEpilogue* into) {
  *into = {};
  for (const Expr& p : op.fusion.prologue) {
    if (!p.empty()) return Support::no("no prologue in a library's kernel");
  }
  if (op.out.size() != 1 || op.out[0].dtype != anchor_result(op, 0).dtype) {
    return Support::no("one result of the product's type only");
  }
  if (bias >= 0) {
    // The anchor's own bias may be a plain vector along the axis.
    const TensorType& b = op.in[static_cast<size_t>(bias)];
    const bool channel =
        b.rank() == 1 && b.shape[0] == op.out[0].shape[vector_axis] && !is_sliced(op, bias);
    if (op.def->is("MatMul") ? !place(op, bias, vector_axis, into) : !channel) {
      return Support::no("the bias is neither a vector nor of the result's shape");
    }
    if (channel && !op.def->is("MatMul")) into->vector = bias;
  }
  const Expr& e = op.fusion.epilogue;
  if (e.empty()) return Support::yes();
  if (e.outputs().size() != 1) return Support::no("one result only");
  int root = behind_casts(e, e.outputs()[0]);
  const ExprNode& top = e.nodes()[static_cast<size_t>(root)];
  if (top.op == ScalarOp::Max) {
    const bool first = is_zero(e.nodes()[static_cast<size_t>(top.args[0])]);
    const bool second = is_zero(e.nodes()[static_cast<size_t>(top.args[1])]);
    if (!first && !second) return Support::no("the library fuses sums and Relu only");
    into->relu = true;
    root = top.args[first ? 1 : 0];
  }
  std::vector<int> inputs;
  if (!collect_sum(e, root, inputs)) return Support::no("the library fuses sums and Relu only");
  int results = 0;
  const auto operands = static_cast<int>(anchor_operands(op));
  for (int input : inputs) {
    if (input == 0) {
      ++results;
      continue;
    }
    const int k = operands + input - 1;
    if (k >= static_cast<int>(op.in.size()) || !place(op, k, vector_axis, into)) {
      return Support::no("the library adds one vector and one tensor at most");
    }
  }
  return results == 1 ? Support::yes() : Support::no("the library fuses sums and Relu only");
}

}  // namespace lathe::cuda
