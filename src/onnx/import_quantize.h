// SPDX-License-Identifier: Apache-2.0
#pragma once
// Linear quantization as elementwise expressions, shared by the importers of QuantizeLinear and of
// the integer convolutions and products.
#include "onnx/node_import.h"

namespace lathe {

// Scale and zero point of x, shaped to broadcast along `axis`; zero_point null: 0.
struct Quantization {
  Value* scale = nullptr;
  Value* zero_point = nullptr;
};

// Operands `scale_at` and `zero_at` of the node, checked against x: one number or one for each
// element of `axis`. A constant scale must be finite and not 0.
Result<Quantization> read_quantization(NodeImport& n, const TensorType& x, size_t scale_at,
                                       size_t zero_at, int64_t axis);
// saturate(round(x / scale) + zero_point)
Result<Value*> quantize(NodeImport& n, Value* x, const Quantization& q, DType to);
// (x - zero_point) * scale, in the type `to`.
Result<Value*> dequantize(NodeImport& n, Value* x, const Quantization& q, DType to);

}  // namespace lathe
