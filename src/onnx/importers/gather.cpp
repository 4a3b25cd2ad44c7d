// SPDX-License-Identifier: Apache-2.0
// Gather, GatherElements and GatherND.
#include "onnx/import_axes.h"

namespace lathe {
namespace {

// Constant indices are checked here, so that a wrong one is an error of the build.
Status check_indices(const Value& indices, const Dim& size) {
  const HostTensor* t = indices.constant();
  if (!t || !size.is_constant() || !is_int(t->dtype()) || !is_computable(t->dtype())) return {};
  for (int64_t k = 0; k < t->elements(); ++k) {
    const int64_t at = t->get_i64(k);
    if (at < -size.value() || at >= size.value()) {
      return invalid("index {} is out of range for a dimension of {}", at, size.value());
    }
  }
  return {};
}

}  // namespace

Status import_gather(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "data"));
  Value* indices = LATHE_TRY(n.need(1, "indices"));
  Attrs attrs;
  if (n.type() == "GatherND") {
    attrs.set("batch_dims", n.i("batch_dims", 0));
  } else {
    const int64_t axis = LATHE_TRY(positive_axis(n.i("axis", 0), x->type.rank()));
    LATHE_TRY(check_indices(*indices, x->type.shape[static_cast<int>(axis)]));
    attrs.set("axis", axis);
  }
  return n.result(LATHE_TRY(n.add(n.type(), {x, indices}, std::move(attrs))));
}

}  // namespace lathe
