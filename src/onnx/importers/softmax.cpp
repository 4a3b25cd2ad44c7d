// SPDX-License-Identifier: Apache-2.0
// Softmax, LogSoftmax and Hardmax. Below opset 13 they flatten to a matrix at `axis` first.
#include "onnx/import_axes.h"

namespace lathe {
namespace {

Result<Value*> along(NodeImport& n, Value* x, int64_t axis) {
  Attrs attrs;
  attrs.set("axis", axis);
  if (n.type() != "Hardmax") {
    attrs.set("log", int64_t{n.type() == "LogSoftmax"});
    return n.add("Softmax", {x}, std::move(attrs));
  }
  attrs.set("kind", std::string("max")).set("keepdims", int64_t{0}).set("last", int64_t{0});
  Value* at = LATHE_TRY(n.add("ArgReduce", {x}, std::move(attrs)));
  HostTensor values = LATHE_TRY(HostTensor::make({x->type.dtype, {2}}));
  values.set_f64(0, 0);
  values.set_f64(1, 1);
  Attrs hot;
  hot.set("axis", axis).set("depth", Dims{x->type.shape[static_cast<int>(axis)]});
  return n.add("OneHot", {at, n.constant(std::move(values))}, std::move(hot));
}

}  // namespace

Status import_softmax(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "input"));
  const int rank = x->type.rank();
  if (n.opset() >= 13) {
    return n.result(LATHE_TRY(along(n, x, LATHE_TRY(positive_axis(n.i("axis", -1), rank)))));
  }
  const int64_t axis = LATHE_TRY(positive_axis(n.i("axis", 1), rank));
  if (axis == rank - 1) return n.result(LATHE_TRY(along(n, x, axis)));
  Dim rows = 1, columns = 1;
  for (int d = 0; d < rank; ++d) {
    Dim& side = d < axis ? rows : columns;
    side = side * x->type.shape[d];
  }
  Value* y = LATHE_TRY(along(n, LATHE_TRY(n.reshape(x, {rows, columns})), 1));
  return n.result(LATHE_TRY(n.reshape(y, dims_list(x->type.shape))));
}

}  // namespace lathe
