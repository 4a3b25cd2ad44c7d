// SPDX-License-Identifier: Apache-2.0
#pragma once
// An expression as CUDA C++ statements over the functions of kernels/prelude.cuh.
//
//   std::vector<std::string> results;
//   text += expr_text(expr, {"x", "y"}, "r", &results);      // "const float r0 = f_add(x, y);\n"
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ops/expr.h"

namespace lathe::cuda {

// The type that an element is stored as ("f16") and computed in ("float").
std::string_view storage_name(DType t);
std::string_view compute_name(DType t);

// `inputs` are the texts of the expression's inputs, values of their compute type; names of
// intermediate values begin with `prefix`. `results` receives the text of each result's value.
std::string expr_text(const Expr& expr, std::span<const std::string> inputs,
                      std::string_view prefix, std::vector<std::string>* results);

}  // namespace lathe::cuda
