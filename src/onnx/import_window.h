// SPDX-License-Identifier: Apache-2.0
#pragma once
// kernel_shape, strides, dilations, pads and auto_pad of ONNX's convolutions and pools.
#include "onnx/node_import.h"

namespace lathe {

struct WindowAttrs {
  Ints kernel, strides, dilations, pads;  // pads: begins, then ends
};

// `x` is the input [N, C, s...]. `kernel` empty: from kernel_shape, which must be there then.
Result<WindowAttrs> read_window(NodeImport& n, const Shape& x, const Ints& kernel);
// strides, dilations and kernel alone; pads as given or zeros.
Result<WindowAttrs> read_window_sizes(NodeImport& n, const Shape& x, const Ints& kernel);
// The spatial sizes of a weight, which must be known.
Result<Ints> kernel_of(const Shape& weight);
// Strides, dilations and pads as Lathe's window operators take them.
Attrs window_attrs(const WindowAttrs& w);

}  // namespace lathe
