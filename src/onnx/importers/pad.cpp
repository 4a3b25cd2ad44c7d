// SPDX-License-Identifier: Apache-2.0
// Pad: amounts as an attribute (below opset 11) or operands, for all axes or some.
#include "onnx/import_axes.h"

namespace lathe {
namespace {

constexpr int64_t kMaxPad = int64_t{1} << 40;

Result<Dims> amounts_of(NodeImport& n) {
  if (n.opset() >= 11) return n.dims_of(1, "pads");
  const Ints pads = n.ints("pads");
  return Dims(pads.begin(), pads.end());
}

Result<Value*> fill_value(NodeImport& n, DType type) {
  if (n.opset() < 11) return n.scalar(type, n.f("value", 0));
  if (!n.in(2)) return nullptr;
  return n.reshape(n.in(2), {});
}

}  // namespace

Status import_pad(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "data"));
  const int rank = x->type.rank();
  const Dims amounts = LATHE_TRY(amounts_of(n));
  Ints axes = all_axes(rank);
  if (n.in(3)) axes = LATHE_TRY(positive_axes(LATHE_TRY(n.ints_of(3, "axes")), rank));
  if (amounts.size() != 2 * axes.size()) {
    return invalid("{} amounts for {} axes", amounts.size(), axes.size());
  }
  Dims before(static_cast<size_t>(rank), 0), after = before;
  for (const Dim& d : amounts) {
    if (d.is_constant() && (d.value() > kMaxPad || d.value() < -kMaxPad)) {
      return invalid("an amount is {}", d.value());
    }
  }
  for (size_t k = 0; k < axes.size(); ++k) {
    before[static_cast<size_t>(axes[k])] = amounts[k];
    after[static_cast<size_t>(axes[k])] = amounts[axes.size() + k];
  }
  const std::string mode = n.s("mode", "constant");
  std::vector<Value*> operands{x};
  if (mode == "constant") {
    if (Value* fill = LATHE_TRY(fill_value(n, x->type.dtype))) operands.push_back(fill);
  }
  Attrs attrs;
  attrs.set("mode", mode).set("before", std::move(before)).set("after", std::move(after));
  return n.result(LATHE_TRY(n.add("Pad", std::move(operands), std::move(attrs))));
}

}  // namespace lathe
