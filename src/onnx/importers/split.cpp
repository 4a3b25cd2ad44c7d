// SPDX-License-Identifier: Apache-2.0
// Split: one Slice for each output.
#include "onnx/import_axes.h"

namespace lathe {
namespace {

// Equal parts, the last one smaller where they do not come out even.
Result<Dims> equal_parts(const Dim& size, int64_t parts) {
  if (parts <= 0 || parts > 100000) return invalid("{} parts", parts);
  const Dim each = Dim::ceil_div(size, parts);
  Dims sizes(static_cast<size_t>(parts), each);
  sizes.back() = size - each * (parts - 1);
  if (sizes.back().is_constant() && sizes.back().value() < 0) {
    return invalid("{} elements cannot be split in {} parts", size.to_string(), parts);
  }
  return sizes;
}

Result<Dims> parts_of(NodeImport& n, const Dim& size) {
  if (n.in(1)) return n.sizes_of(1, "split");
  if (n.has("split") && n.opset() < 13) {
    const Ints split = n.ints("split");
    return Dims(split.begin(), split.end());
  }
  return equal_parts(size, n.i("num_outputs", static_cast<int64_t>(n.output_count())));
}

}  // namespace

Status import_split(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "input"));
  const int64_t axis = LATHE_TRY(positive_axis(n.i("axis", 0), x->type.rank()));
  const Dim& size = x->type.shape[static_cast<int>(axis)];
  const Dims parts = LATHE_TRY(parts_of(n, size));
  if (parts.size() < n.output_count()) {
    return invalid("{} parts for {} outputs", parts.size(), n.output_count());
  }
  Dim total = 0;
  for (const Dim& p : parts) total = total + p;
  if (total.is_constant() && size.is_constant() && !(total == size)) {
    return invalid("the parts sum to {}, not {}", total.to_string(), size.to_string());
  }
  Dim start = 0;
  for (size_t k = 0; k < parts.size(); ++k) {
    if (n.wants(k)) {
      Attrs attrs;
      attrs.set("axes", Ints{axis})
          .set("steps", Ints{1})
          .set("starts", Dims{start})
          .set("sizes", Dims{parts[k]});
      LATHE_TRY(n.result(LATHE_TRY(n.add("Slice", {x}, std::move(attrs))), k));
    }
    start = start + parts[k];
  }
  return {};
}

}  // namespace lathe
