// SPDX-License-Identifier: Apache-2.0
// ConvTranspose; output_shape and auto_pad become explicit padding.
#include <algorithm>

#include "onnx/import_window.h"

namespace lathe {
namespace {

// Splits what must be cut off between begin and end. Cutting less than nothing is output padding.
void distribute(WindowAttrs& w, size_t d, int64_t total, bool upper) {
  const size_t spatial = w.kernel.size();
  if (total < 0) {
    w.pads[d] = 0, w.pads[spatial + d] = total;
    return;
  }
  const int64_t half = total / 2;
  w.pads[d] = upper ? half : total - half;
  w.pads[spatial + d] = total - w.pads[d];
}

// The full size before anything is cut off.
Result<int64_t> full_size(const WindowAttrs& w, const Shape& x, const Ints& extra, size_t d) {
  const Dim& in = x[static_cast<int>(d) + 2];
  if (!in.is_constant()) {
    return unsupported("output_shape with the symbolic size {} is not implemented", in.to_string());
  }
  return (in.value() - 1) * w.strides[d] + w.dilations[d] * (w.kernel[d] - 1) + 1 + extra[d];
}

// Negative padding is output padding where it stands at the end.
void move_negative(WindowAttrs& w, Ints& extra) {
  const size_t spatial = w.kernel.size();
  for (size_t d = 0; d < spatial; ++d) {
    int64_t& end = w.pads[spatial + d];
    if (end < 0) extra[d] -= end, end = 0;
  }
}

Status place_pads(NodeImport& n, const Shape& x, WindowAttrs& w, Ints& extra) {
  const std::string mode = n.s("auto_pad", "NOTSET");
  const Ints shape = n.ints("output_shape");
  const size_t spatial = w.kernel.size();
  if (!shape.empty() && shape.size() != spatial) {
    return invalid("output_shape has {} values, not {}", shape.size(), spatial);
  }
  for (size_t d = 0; d < spatial; ++d) {
    if (!shape.empty()) {
      const int64_t total = LATHE_TRY(full_size(w, x, extra, d)) - shape[d];
      distribute(w, d, total, mode == "SAME_UPPER");
    } else if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
      const int64_t extent = w.dilations[d] * (w.kernel[d] - 1) + 1;
      distribute(w, d, extent + extra[d] - w.strides[d], mode == "SAME_UPPER");
    } else if (mode == "VALID") {
      w.pads[d] = w.pads[spatial + d] = 0;
    }
  }
  move_negative(w, extra);
  return {};
}

}  // namespace

Status import_conv_transpose(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "X"));
  Value* weight = LATHE_TRY(n.need(1, "W"));
  if (weight->type.rank() != x->type.rank()) {
    return invalid("X {} and W {} differ in rank", x->type.to_string(), weight->type.to_string());
  }
  const Ints kernel = LATHE_TRY(kernel_of(weight->type.shape));
  WindowAttrs w = LATHE_TRY(read_window_sizes(n, x->type.shape, kernel));
  Ints extra = n.ints("output_padding", Ints(w.kernel.size(), 0));
  if (extra.size() != w.kernel.size()) return invalid("output_padding has {} values", extra.size());
  for (int64_t e : extra) {
    if (e < 0 || e > (int64_t{1} << 30)) return invalid("output_padding holds {}", e);
  }
  LATHE_TRY(place_pads(n, x->type.shape, w, extra));
  Attrs attrs = window_attrs(w);
  attrs.set("output_padding", extra).set("group", n.i("group", 1));
  std::vector<Value*> operands{x, weight};
  if (n.in(2)) operands.push_back(n.in(2));
  return n.result(LATHE_TRY(n.add("Deconv", std::move(operands), std::move(attrs))));
}

}  // namespace lathe
