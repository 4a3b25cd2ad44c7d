// SPDX-License-Identifier: Apache-2.0
// LayerNormalization and RMSNormalization over the dimensions from `axis` on.
#include "onnx/import_axes.h"

namespace lathe {
namespace {

// Mean or 1 / sqrt(variance + epsilon), which are rarely asked for.
Status statistics(NodeImport& n, Value* x, const Ints& axes, double epsilon) {
  Attrs mean_attrs;
  mean_attrs.set("kind", std::string("mean")).set("axes", axes).set("keepdims", int64_t{1});
  Value* mean = LATHE_TRY(n.add("Reduce", {x}, mean_attrs));
  if (n.wants(1)) LATHE_TRY(n.result(mean, 1));
  if (!n.wants(2)) return {};
  Value* square = LATHE_TRY(n.pointwise("mul(sub(%0, %1), sub(%0, %1))", {x, mean}));
  Value* variance = LATHE_TRY(n.add("Reduce", {square}, mean_attrs));
  return n.result(LATHE_TRY(n.pointwise(
                      fmt::format("reciprocal(sqrt(add(%0, {})))", literal(epsilon)), {variance})),
                  2);
}

}  // namespace

Status import_layer_norm(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "X"));
  const int rank = x->type.rank();
  const DType type = x->type.dtype;
  const int64_t axis = LATHE_TRY(positive_axis(n.i("axis", -1), rank));
  Ints axes = all_axes(rank);
  axes.erase(axes.begin(), axes.begin() + axis);
  const double epsilon = n.f("epsilon", 1e-5);
  // What stash_type asks for beyond the operand's type: statistics in F32.
  const DType stash = LATHE_TRY(n.dtype("stash_type", DType::F32));
  std::vector<Value*> operands{x};
  for (size_t k : {size_t{1}, size_t{2}}) {
    if (n.in(k)) operands.push_back(LATHE_TRY(n.cast(n.in(k), type)));
  }
  Attrs attrs;
  attrs.set("axes", axes).set("epsilon", epsilon);
  attrs.set("kind", std::string(n.type() == "RMSNormalization" ? "rms" : "layer"));
  LATHE_TRY(n.result(LATHE_TRY(n.add("Normalize", std::move(operands), std::move(attrs)))));
  if (!n.wants(1) && !n.wants(2)) return {};
  return statistics(n, LATHE_TRY(n.cast(x, stash)), axes, epsilon);
}

}  // namespace lathe
