// SPDX-License-Identifier: Apache-2.0
// BatchNormalization as inference has it: x * scale + shift for each channel. Folded here when
// the four vectors are constants, in double: scale' = scale / sqrt(var + eps) and
// shift' = bias - mean * scale'.
#include <cmath>

#include "onnx/import_axes.h"

namespace lathe {
namespace {

// [C, 1, 1, ..]: broadcast along the channels of x.
Dims channel_shape(const Value& x) {
  Dims shape(static_cast<size_t>(std::max(x.type.rank() - 1, 1)), 1);
  shape[0] = x.type.rank() > 1 ? x.type.shape[1] : Dim(1);
  return shape;
}

struct Folded {
  HostTensor scale, shift;
};

Result<std::optional<Folded>> fold(NodeImport& n, DType type) {
  std::vector<HostTensor> v;
  for (size_t k = 1; k <= 4; ++k) {
    std::optional<HostTensor> t = n.fold(n.in(k));
    if (!t) return std::optional<Folded>();
    if (!is_float(t->dtype()) || t->shape().rank() != 1 ||
        (k > 1 && t->elements() != v[0].elements())) {
      return invalid("scale, B, mean and var must be vectors of one length");
    }
    v.push_back(*std::move(t));
  }
  const double epsilon = n.f("epsilon", 1e-5);
  Folded f;
  f.scale = LATHE_TRY(HostTensor::make({type, v[0].shape()}));
  f.shift = LATHE_TRY(HostTensor::make({type, v[0].shape()}));
  for (int64_t c = 0; c < v[0].elements(); ++c) {
    const double scale = v[0].get_f64(c) / std::sqrt(v[3].get_f64(c) + epsilon);
    f.scale.set_f64(c, scale);
    f.shift.set_f64(c, v[1].get_f64(c) - v[2].get_f64(c) * scale);
  }
  return std::optional<Folded>(std::move(f));
}

}  // namespace

Status import_batch_norm(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "X"));
  for (size_t k = 1; k <= 4; ++k) LATHE_TRY(n.need(k, "scale, B, mean or var"));
  n.without_effect({"is_test", "momentum"});
  if (n.i("training_mode", 0) != 0) return unsupported("training_mode is not implemented");
  if (n.i("spatial", 1) != 1) return unsupported("spatial=0 is not implemented");
  for (size_t k = 1; k < n.output_count(); ++k) {
    if (n.wants(k)) return unsupported("statistics as outputs are not implemented");
  }
  const Dims shape = channel_shape(*x);
  if (std::optional<Folded> f = LATHE_TRY(fold(n, x->type.dtype))) {
    Value* scale = LATHE_TRY(n.reshape(n.constant(std::move(f->scale)), shape));
    Value* shift = LATHE_TRY(n.reshape(n.constant(std::move(f->shift)), shape));
    return n.result(LATHE_TRY(n.wide_pointwise("add(mul(%0, %1), %2)", {x, scale, shift})));
  }
  std::vector<Value*> operands{x};
  for (size_t k = 1; k <= 4; ++k) operands.push_back(LATHE_TRY(n.reshape(n.in(k), shape)));
  return n.result(LATHE_TRY(
      n.wide_pointwise(fmt::format("add(mul(sub(%0, %3), div(%1, sqrt(add(%4, {})))), %2)",
                                   literal(n.f("epsilon", 1e-5))),
                       operands)));
}

}  // namespace lathe
