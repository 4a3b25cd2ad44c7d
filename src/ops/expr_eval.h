// SPDX-License-Identifier: Apache-2.0
#pragma once
// Expr over many elements without allocation per element, and the rounding that it is made of.
#include <cstdint>
#include <span>
#include <vector>

#include "ops/expr.h"

namespace lathe {

// The value of a float type that is nearest to `value`; f32 and narrower round once.
double round_to(DType type, double value);
// `value` modulo 2^width of an integer type, sign- or zero-extended; bool is != 0.
int64_t wrap_to(DType type, int64_t value);
// One instruction (not Input) on its arguments' values; `from` is the type of the arguments (of
// the last one for Select).
ScalarBits evaluate_node(const ExprNode& node, DType from, const ScalarBits* args);

// Owns the values of one element's instructions; not shared between threads.
class ExprEvaluator {
 public:
  explicit ExprEvaluator(const Expr& expr);  // borrowed
  void run(const ScalarBits* inputs, ScalarBits* outputs);
  // The same, and for each output a bound (absolute, first order) of the error that rounding every
  // instruction once and inputs that are off by `input_errors` may cause.
  void run_with_errors(const ScalarBits* inputs, const double* input_errors, ScalarBits* outputs,
                       double* output_errors);

 private:
  const Expr& expr_;
  std::vector<ScalarBits> values_;
  std::vector<double> errors_;
};

}  // namespace lathe
