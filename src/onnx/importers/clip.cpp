// SPDX-License-Identifier: Apache-2.0
// Clip: bounds as attributes (below opset 11) or as scalar operands.
#include <limits>

#include "onnx/node_import.h"

namespace lathe {
namespace {

// A bound as literal text, or empty when it must be an operand.
std::string bound_text(NodeImport& n, size_t k) {
  const std::optional<HostTensor> t = n.fold(n.in(k));
  if (!t || t->elements() != 1 || !is_computable(t->dtype())) return "";
  if (is_float(t->dtype())) return fmt::format("{:.17g}:$", t->get_f64(0));
  return fmt::format("{}:$", t->get_i64(0));
}

Status import_old(NodeImport& n, Value* x) {
  std::string body = "%0";
  if (n.has("min")) body = fmt::format("max({}, {:.17g}:$)", body, n.f("min", 0));
  if (n.has("max")) body = fmt::format("min({}, {:.17g}:$)", body, n.f("max", 0));
  return n.result(LATHE_TRY(n.pointwise(body, {x})));
}

}  // namespace

Status import_clip(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "input"));
  if (n.opset() < 11) return import_old(n, x);
  std::vector<Value*> operands{x};
  std::string body = "%0";
  for (size_t k : {size_t{1}, size_t{2}}) {
    if (!n.in(k)) continue;
    if (n.in(k)->type.dtype != x->type.dtype) return invalid("the bounds have another type");
    std::string bound = bound_text(n, k);
    if (bound.empty()) {
      bound = fmt::format("%{}", operands.size());
      operands.push_back(n.in(k));
    }
    body = fmt::format("{}({}, {})", k == 1 ? "max" : "min", body, bound);
  }
  return n.result(LATHE_TRY(n.pointwise(body, std::move(operands))));
}

}  // namespace lathe
