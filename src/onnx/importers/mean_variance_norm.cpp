// SPDX-License-Identifier: Apache-2.0
// MeanVarianceNormalization: (x - mean) / (standard deviation + 1e-9), the constant of its
// definition in ONNX, which is written with the mean of squares.
#include "onnx/import_axes.h"

namespace lathe {

Status import_mean_variance_norm(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "X"));
  const Ints axes = LATHE_TRY(positive_axes(n.ints("axes", {0, 2, 3}), x->type.rank()));
  Attrs attrs;
  attrs.set("kind", std::string("mean")).set("axes", axes).set("keepdims", int64_t{1});
  Value* mean = LATHE_TRY(n.add("Reduce", {x}, attrs));
  Value* centred = LATHE_TRY(n.pointwise("sub(%0, %1)", {x, mean}));
  Value* square = LATHE_TRY(n.pointwise("mul(%0, %0)", {centred}));
  Value* variance = LATHE_TRY(n.add("Reduce", {square}, attrs));
  return n.result(LATHE_TRY(n.pointwise("div(%0, add(sqrt(%1), 1e-09:$))", {centred, variance})));
}

}  // namespace lathe
