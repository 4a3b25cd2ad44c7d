// SPDX-License-Identifier: Apache-2.0
// QuantizeLinear and DequantizeLinear, for a tensor or for each element of an axis.
#include "onnx/import_quantize.h"

namespace lathe {

Status import_quantize(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "x"));
  if (n.i("block_size", 0) != 0) return unsupported("quantization in blocks is not implemented");
  // The first is of FP8, which is refused; the division is never narrower than F32.
  n.without_effect({"saturate", "precision"});
  const Quantization q = LATHE_TRY(read_quantization(n, x->type, 1, 2, n.i("axis", 1)));
  if (n.type() == "DequantizeLinear") {
    const DType to = LATHE_TRY(n.dtype("output_dtype", q.scale->type.dtype));
    return n.result(LATHE_TRY(dequantize(n, x, q, to)));
  }
  const DType fallback = q.zero_point ? q.zero_point->type.dtype : DType::U8;
  const DType to = LATHE_TRY(n.dtype("output_dtype", fallback));
  return n.result(LATHE_TRY(quantize(n, x, q, to)));
}

}  // namespace lathe
