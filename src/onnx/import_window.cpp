// SPDX-License-Identifier: Apache-2.0
#include "onnx/import_window.h"

#include <algorithm>

namespace lathe {
namespace {

constexpr int64_t kMaxWindow = int64_t{1} << 30;

Status check_list(std::string_view name, const Ints& list, size_t count, int64_t least) {
  if (list.size() != count) {
    return invalid("{} has {} values, not {}", name, list.size(), count);
  }
  for (int64_t v : list) {
    if (v < least || v > kMaxWindow) return invalid("{} holds {}", name, v);
  }
  return {};
}

// Padding that makes the output ceil(size / stride): the odd element at the end (UPPER) or at the
// beginning. With stride 1 the size does not matter.
Result<int64_t> same_padding(const Dim& size, int64_t stride, int64_t extent) {
  if (stride == 1) return extent - 1;
  if (!size.is_constant()) {
    return unsupported("auto_pad SAME with stride {} and the symbolic size {} is not implemented",
                       stride, size.to_string());
  }
  const int64_t outputs = (size.value() + stride - 1) / stride;
  return std::max<int64_t>(0, (outputs - 1) * stride + extent - size.value());
}

Result<Ints> automatic_pads(const WindowAttrs& w, const Shape& x, bool upper) {
  const size_t spatial = w.kernel.size();
  Ints pads(2 * spatial);
  for (size_t d = 0; d < spatial; ++d) {
    const int64_t extent = w.dilations[d] * (w.kernel[d] - 1) + 1;
    const int64_t total = LATHE_TRY(same_padding(x[static_cast<int>(d) + 2], w.strides[d], extent));
    pads[d] = upper ? total / 2 : total - total / 2;
    pads[spatial + d] = total - pads[d];
  }
  return pads;
}

}  // namespace

Result<WindowAttrs> read_window_sizes(NodeImport& n, const Shape& x, const Ints& kernel) {
  if (x.rank() < 3) return invalid("the input {} has no spatial dimension", x.to_string());
  const auto spatial = static_cast<size_t>(x.rank() - 2);
  WindowAttrs w;
  w.kernel = n.ints("kernel_shape", kernel);
  LATHE_TRY(check_list("kernel_shape", w.kernel, spatial, 1));
  if (!kernel.empty() && w.kernel != kernel) {
    return invalid("kernel_shape is {}, and the weight has {}", Shape::of(w.kernel).to_string(),
                   Shape::of(kernel).to_string());
  }
  w.strides = n.ints("strides", Ints(spatial, 1));
  w.dilations = n.ints("dilations", Ints(spatial, 1));
  w.pads = n.ints("pads", Ints(2 * spatial, 0));
  LATHE_TRY(check_list("strides", w.strides, spatial, 1));
  LATHE_TRY(check_list("dilations", w.dilations, spatial, 1));
  LATHE_TRY(check_list("pads", w.pads, 2 * spatial, -kMaxWindow));
  return w;
}

Result<WindowAttrs> read_window(NodeImport& n, const Shape& x, const Ints& kernel) {
  WindowAttrs w = LATHE_TRY(read_window_sizes(n, x, kernel));
  const std::string mode = n.s("auto_pad", "NOTSET");
  if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
    w.pads = LATHE_TRY(automatic_pads(w, x, mode == "SAME_UPPER"));
  } else if (mode == "VALID") {
    std::fill(w.pads.begin(), w.pads.end(), 0);
  } else if (mode != "NOTSET" && !mode.empty()) {
    return invalid("auto_pad is '{}'", mode);
  }
  return w;
}

Result<Ints> kernel_of(const Shape& weight) {
  Ints kernel;
  for (int d = 2; d < weight.rank(); ++d) {
    if (!weight[d].is_constant()) {
      return unsupported("the weight's size {} is not known", weight.to_string());
    }
    kernel.push_back(weight[d].value());
  }
  return kernel;
}

Attrs window_attrs(const WindowAttrs& w) {
  Attrs attrs;
  attrs.set("strides", w.strides).set("dilations", w.dilations).set("pads", w.pads);
  return attrs;
}

}  // namespace lathe
