// SPDX-License-Identifier: Apache-2.0
// Range(start, limit, delta): Iota with a count of ceil((limit - start) / delta).
#include <cmath>

#include "onnx/node_import.h"
#include "onnx/type_proto.h"

namespace lathe {
namespace {

Result<Dim> integer_count(NodeImport& n, int64_t delta) {
  const Dims start = LATHE_TRY(n.sizes_of(0, "start"));
  const Dims limit = LATHE_TRY(n.sizes_of(1, "limit"));
  if (start.size() != 1 || limit.size() != 1) return invalid("start and limit must be scalars");
  const Dim span = delta > 0 ? limit[0] - start[0] : start[0] - limit[0];
  const Dim count = Dim::ceil_div(span, delta > 0 ? delta : 0 - delta);
  return count.provably_nonnegative() ? count : Dim::max(count, 0);
}

Result<Dim> float_count(NodeImport& n, double delta) {
  const HostTensor start = LATHE_TRY(n.constant_of(0, "start"));
  const HostTensor limit = LATHE_TRY(n.constant_of(1, "limit"));
  if (start.elements() != 1 || limit.elements() != 1)
    return invalid("start and limit must be scalars");
  const double count = std::ceil((limit.get_f64(0) - start.get_f64(0)) / delta);
  if (!(count <= static_cast<double>(kMaxElements))) return out_of_memory("{} elements", count);
  return Dim(static_cast<int64_t>(std::max(count, 0.0)));
}

}  // namespace

Status import_range(NodeImport& n) {
  const DType type = LATHE_TRY(n.need(0, "start"))->type.dtype;
  const HostTensor step = LATHE_TRY(n.constant_of(2, "delta"));
  if (!is_computable(step.dtype()) || step.elements() != 1 || step.dtype() != type) {
    return invalid("delta must be a scalar of the same type as start");
  }
  const double delta = step.get_f64(0);
  if (delta == 0 || std::isnan(delta) || step.get_f64(0) == -9223372036854775808.0) {
    return invalid("delta is {}", delta);
  }
  const Dim count = is_int(type) ? LATHE_TRY(integer_count(n, step.get_i64(0)))
                                 : LATHE_TRY(float_count(n, delta));
  if (std::optional<HostTensor> start = n.fold(n.in(0))) {
    Attrs attrs;
    attrs.set("start", start->reshaped({}))
        .set("step", step.reshaped({}))
        .set("count", Dims{count});
    return n.result(LATHE_TRY(n.add("Iota", {}, std::move(attrs))));
  }
  HostTensor zero = LATHE_TRY(HostTensor::zeros({type, {}}));
  Attrs attrs;
  attrs.set("start", std::move(zero)).set("step", step.reshaped({})).set("count", Dims{count});
  Value* steps = LATHE_TRY(n.add("Iota", {}, std::move(attrs)));
  return n.result(LATHE_TRY(n.pointwise("add(%0, %1)", {steps, n.in(0)})));
}

}  // namespace lathe
