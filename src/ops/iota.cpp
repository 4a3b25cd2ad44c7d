// SPDX-License-Identifier: Apache-2.0
// Iota: an arithmetic progression, whose length may be symbolic.
#include <cmath>
#include <type_traits>

#include "ops/movement.h"

namespace lathe {
namespace {

constexpr AttrDef kIotaAttrs[] = {
    {"start", AttrKind::Tensor, "", "a scalar: the first element; y has its type"},
    {"step", AttrKind::Tensor, "", "a scalar of the same type: the distance between elements"},
    {"count", AttrKind::Dims, "", "one entry: how many elements"},
};

Status check_scalar(const HostTensor& t, std::string_view name) {
  if (t.shape().rank() != 0) {
    return invalid("{} has rank {}, expected a scalar", name, t.shape().rank());
  }
  if (!is_computable(t.dtype()) || t.dtype() == DType::Bool) {
    return invalid("{} has type {}, expected a number", name, to_string(t.dtype()));
  }
  return {};
}

// Element i in the integer type T; wraps.
template <class T>
T integer_at(int64_t start, int64_t step, int64_t i) {
  return static_cast<T>(static_cast<uint64_t>(start) +
                        static_cast<uint64_t>(i) * static_cast<uint64_t>(step));
}

void iota_contents(InferContext& ctx, const HostTensor& start, const HostTensor& step) {
  const DType t = start.dtype();
  if ((t != DType::I32 && t != DType::I64) || !is_small(ctx.out[0].shape)) return;
  Contents y;
  for (int64_t i = 0; i < ctx.out[0].shape[0].value(); ++i) {
    const int64_t v = integer_at<int64_t>(start.get_i64(0), step.get_i64(0), i);
    y.push_back(t == DType::I32 ? static_cast<int32_t>(v) : v);
  }
  ctx.add_contents(0, std::move(y));
}

Status infer_iota(InferContext& ctx) {
  const HostTensor& start = ctx.attrs.tensor("start");
  const HostTensor& step = ctx.attrs.tensor("step");
  LATHE_TRY(check_scalar(start, "start"));
  LATHE_TRY(check_scalar(step, "step"));
  if (start.dtype() != step.dtype()) {
    return invalid("start and step have types {} and {}, expected equal types",
                   to_string(start.dtype()), to_string(step.dtype()));
  }
  const Dims& count = ctx.attrs.dims("count");
  LATHE_TRY(require_entries("count", count.size(), 1, "the size of y"));
  LATHE_TRY(require_sizes(ctx, "count"));
  ctx.add(start.dtype(), Shape{count[0]});
  iota_contents(ctx, start, step);
  return {};
}

// Floats are computed in double and rounded once.
template <class T>
void fill(const RefArgs& args) {
  const HostTensor& start = args.op.attrs.tensor("start");
  const HostTensor& step = args.op.attrs.tensor("step");
  const std::span<T> y = args.out[0].mutable_span<T>();
  for_each(args.box, [&](const int64_t* c, int64_t at) {
    if constexpr (std::is_integral_v<T>) {
      y[static_cast<size_t>(at)] = integer_at<T>(start.get_i64(0), step.get_i64(0), c[0]);
    } else {
      const double offset = static_cast<double>(c[0]) * step.get_f64(0);
      y[static_cast<size_t>(at)] = T(start.get_f64(0) + offset);
      if (args.magnitude != nullptr) {
        args.magnitude->set_f64(at, std::abs(start.get_f64(0)) + std::abs(offset));
      }
    }
  });
}

Status reference_iota(const RefArgs& args) {
  visit_number(args.op.out[0].dtype, [&]<class T>() { fill<T>(args); });
  return {};
}

}  // namespace

const OpDef& op_iota() {
  static constexpr OpDef def{
      .name = "Iota",
      .doc =
          "y[i] = start + i * step, 0 <= i < count.\n"
          "start, step: scalars of one number type, y's; integers wrap, floats are computed in "
          "double and rounded once. ONNX Range, once its length is known.",
      .operands = "",
      .attrs = kIotaAttrs,
      .infer = infer_iota,
      .reference = reference_iota,
  };
  return def;
}

}  // namespace lathe
