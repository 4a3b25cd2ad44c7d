// SPDX-License-Identifier: Apache-2.0
// Pow: base and exponent may have different types; the result has the base's. Small constant
// exponents become products and roots, which every backend computes exactly and fast.
#include <cmath>

#include "onnx/node_import.h"

namespace lathe {
namespace {

// Null when the exponent is not one of a few numbers.
const char* special(double exponent) {
  if (exponent == 1) return "%0";
  if (exponent == 2) return "mul(%0, %0)";
  if (exponent == 3) return "mul(%0, mul(%0, %0))";
  if (exponent == 0.5) return "sqrt(%0)";
  return nullptr;
}

}  // namespace

Status import_pow(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "X"));
  Value* y = LATHE_TRY(n.need(1, "Y"));
  n.without_effect({"broadcast"});  // the shapes say it
  const HostTensor* exponent = y->constant();
  if (exponent && exponent->elements() == 1 && y->type.rank() <= x->type.rank() &&
      is_computable(y->type.dtype) && is_float(x->type.dtype)) {
    if (const char* body = special(exponent->get_f64(0))) {
      return n.result(LATHE_TRY(n.wide_pointwise(body, {x})));
    }
  }
  if (x->type.dtype == y->type.dtype) {
    return n.result(LATHE_TRY(n.wide_pointwise("pow(%0, %1)", {x, y})));
  }
  // Integers to a float power, and floats to an integer one: computed in the wider float.
  const bool exact = is_int(x->type.dtype) && is_int(y->type.dtype);
  const std::string_view mid = exact ? to_string(x->type.dtype)
                               : is_float(x->type.dtype) && bits(x->type.dtype) >= 32
                                   ? to_string(x->type.dtype)
                               : is_int(x->type.dtype) ? "f64"
                                                       : "f32";
  return n.result(LATHE_TRY(
      n.pointwise(fmt::format("cast(pow(cast(%0, {}), cast(%1, {})), $)", mid, mid), {x, y})));
}

}  // namespace lathe
