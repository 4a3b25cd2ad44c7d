// SPDX-License-Identifier: Apache-2.0
// Running error analysis: how far rounding may take the result of an expression.
#include <algorithm>
#include <cmath>

#include "ops/expr_eval.h"
#include "ops/op_common.h"

namespace lathe {
namespace {

// Instructions whose result is exact, given exact arguments.
bool is_exact(ScalarOp op) {
  switch (op) {
    case ScalarOp::Input:
    case ScalarOp::Literal:
    case ScalarOp::Min:
    case ScalarOp::Max:
    case ScalarOp::Neg:
    case ScalarOp::Abs:
    case ScalarOp::Sign:
    case ScalarOp::Floor:
    case ScalarOp::Ceil:
    case ScalarOp::Round:
    case ScalarOp::Trunc:
    case ScalarOp::Select: return true;
    default: return false;
  }
}

// Half the distance between the least numbers of a type: what rounding near 0 may cost.
double least(DType type) {
  switch (type) {
    case DType::F64: return 0x1p-1074;
    case DType::F32: return 0x1p-150;
    case DType::F16: return 0x1p-25;
    case DType::BF16: return 0x1p-134;
    default: return 0;
  }
}

double rounding(const ExprNode& node, ScalarBits value) {
  if (is_exact(node.op) || !is_float(node.dtype)) return 0;
  return std::max(std::fabs(value.f) * unit_roundoff(node.dtype), least(node.dtype));
}

double number(DType type, ScalarBits bits) {
  return is_float(type) ? bits.f : static_cast<double>(bits.i);
}

ScalarBits moved(DType type, ScalarBits bits, double by) {
  if (is_float(type)) {
    bits.f += by;
  } else if (type == DType::Bool) {
    bits.i = bits.i == 0 ? 1 : 0;
  } else {
    bits.i += static_cast<int64_t>(std::clamp(std::round(by), -1e18, 1e18));
  }
  return bits;
}

}  // namespace

void ExprEvaluator::run_with_errors(const ScalarBits* inputs, const double* input_errors,
                                    ScalarBits* outputs, double* output_errors) {
  run(inputs, outputs);
  std::span<const ExprNode> nodes = expr_.nodes();
  errors_.resize(nodes.size());
  auto difference = [&](const ExprNode& n, ScalarBits a, ScalarBits b) {
    double d = std::fabs(number(n.dtype, a) - number(n.dtype, b));
    return std::isnan(d) ? 0.0 : d;
  };
  for (size_t i = 0; i < nodes.size(); ++i) {
    const ExprNode& n = nodes[i];
    errors_[i] = n.op == ScalarOp::Input ? input_errors[n.input] : rounding(n, values_[i]);
    ScalarBits args[3] = {};
    for (int k = 0; k < arity(n.op); ++k) args[k] = values_[static_cast<size_t>(n.args[k])];
    for (int k = 0; k < arity(n.op); ++k) {
      size_t arg = static_cast<size_t>(n.args[k]);
      if (errors_[arg] == 0) continue;
      DType from = nodes[static_cast<size_t>(n.args[arity(n.op) - 1])].dtype;
      ScalarBits exact = args[k];
      double worst = 0;
      for (double by : {errors_[arg], -errors_[arg]}) {
        args[k] = moved(nodes[arg].dtype, exact, by);
        worst = std::max(worst, difference(n, evaluate_node(n, from, args), values_[i]));
      }
      args[k] = exact;
      errors_[i] += worst;
    }
    if (std::isnan(errors_[i])) errors_[i] = 0;
  }
  for (size_t k = 0; k < expr_.outputs().size(); ++k) {
    output_errors[k] = errors_[static_cast<size_t>(expr_.outputs()[k])];
  }
}

}  // namespace lathe
