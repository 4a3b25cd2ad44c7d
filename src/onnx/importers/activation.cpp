// SPDX-License-Identifier: Apache-2.0
// Activations with parameters, as expressions.
#include "onnx/node_import.h"

namespace lathe {
namespace {

Result<std::string> gelu(NodeImport& n) {
  const std::string kind = n.s("approximate", "none");
  if (kind == "none") {
    return std::string("mul(mul(%0, 0.5:$), add(1:$, erf(mul(%0, 0.70710678118654757:$))))");
  }
  if (kind != "tanh") return invalid("approximate is '{}', not none or tanh", kind);
  return std::string(
      "mul(mul(%0, 0.5:$), add(1:$, tanh(mul(0.79788456080286541:$, "
      "add(%0, mul(0.044714999999999998:$, mul(%0, mul(%0, %0))))))))");
}

std::string swish(NodeImport& n) {
  const double alpha = n.f("alpha", 1.0);
  if (alpha == 1.0) return "mul(%0, sigmoid(%0))";
  return fmt::format("mul(%0, sigmoid(mul(%0, {:.17g}:$)))", alpha);
}

std::string shrink(NodeImport& n) {
  const double lambda = n.f("lambd", 0.5), bias = n.f("bias", 0.0);
  return fmt::format(
      "select(lt(%0, {:.17g}:$), add(%0, {:.17g}:$), select(gt(%0, {:.17g}:$), sub(%0, {:.17g}:$), "
      "0:$))",
      -lambda, bias, lambda, bias);
}

Result<std::string> activation_body(NodeImport& n) {
  const std::string_view t = n.type();
  if (t == "LeakyRelu") {
    return fmt::format("select(lt(%0, 0:$), mul(%0, {:.17g}:$), %0)", n.f("alpha", 0.01));
  }
  if (t == "Elu") {
    return fmt::format("select(lt(%0, 0:$), mul({:.17g}:$, expm1(%0)), %0)", n.f("alpha", 1.0));
  }
  if (t == "Selu") {
    return fmt::format("mul({:.17g}:$, select(le(%0, 0:$), mul({:.17g}:$, expm1(%0)), %0))",
                       n.f("gamma", 1.0507009873554805), n.f("alpha", 1.6732632423543772));
  }
  if (t == "Celu") {
    const double alpha = n.f("alpha", 1.0);
    return fmt::format("add(max(%0, 0:$), min(0:$, mul({:.17g}:$, expm1(div(%0, {:.17g}:$)))))",
                       alpha, alpha);
  }
  if (t == "HardSigmoid") {
    return fmt::format("max(0:$, min(1:$, add(mul(%0, {:.17g}:$), {:.17g}:$)))", n.f("alpha", 0.2),
                       n.f("beta", 0.5));
  }
  if (t == "ThresholdedRelu") {
    return fmt::format("select(gt(%0, {:.17g}:$), %0, 0:$)", n.f("alpha", 1.0));
  }
  if (t == "Swish") return swish(n);
  if (t == "Shrink") return shrink(n);
  return gelu(n);
}

}  // namespace

Status import_activation(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "X"));
  return n.result(LATHE_TRY(n.wide_pointwise(LATHE_TRY(activation_body(n)), {x})));
}

}  // namespace lathe
