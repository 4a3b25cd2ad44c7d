// SPDX-License-Identifier: Apache-2.0
// ReduceSum, ReduceMean and their family; axes as an attribute or an operand.
#include <algorithm>

#include "onnx/import_axes.h"

namespace lathe {
namespace {

struct Kind {
  std::string_view onnx, kind;
};

constexpr Kind kKinds[] = {
    {"ReduceSum", "sum"},
    {"ReduceMean", "mean"},
    {"ReduceMax", "max"},
    {"ReduceMin", "min"},
    {"ReduceProd", "prod"},
    {"ReduceL1", "l1"},
    {"ReduceL2", "l2"},
    {"ReduceLogSum", "logsum"},
    {"ReduceLogSumExp", "logsumexp"},
    {"ReduceSumSquare", "sumsquare"},
};

// Sums and products of sizes stay known: exporters multiply dimensions so. Null: not such a case.
std::optional<Dim> known_result(const Value& x, std::string_view kind) {
  if (!x.contents || x.contents->empty()) return std::nullopt;
  const bool sum = kind == "sum", prod = kind == "prod";
  if (!sum && !prod && kind != "max" && kind != "min") return std::nullopt;
  Dim r = x.contents->front();
  for (size_t k = 1; k < x.contents->size(); ++k) {
    const Dim& d = (*x.contents)[k];
    r = sum ? r + d : prod ? r * d : kind == "max" ? Dim::max(r, d) : Dim::min(r, d);
  }
  return r;
}

}  // namespace

Status import_reduce(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "data"));
  const bool keep = n.i("keepdims", 1) != 0;
  const bool nothing = n.i("noop_with_empty_axes", 0) != 0;  // is what empty axes reduce
  const std::optional<Ints> given = LATHE_TRY(operand_or_attribute(n, 1, "axes"));
  Ints axes = LATHE_TRY(positive_axes(given.value_or(Ints()), x->type.rank()));
  if (axes.empty()) {
    if (!nothing)
      axes = all_axes(x->type.rank());
    else if (n.type() == "ReduceSum" || n.type() == "ReduceMean" || n.type() == "ReduceMax" ||
             n.type() == "ReduceMin" || n.type() == "ReduceProd")
      return n.result(x);
  }
  std::sort(axes.begin(), axes.end());
  std::string kind;
  for (const Kind& k : kKinds) {
    if (k.onnx == n.type()) kind = k.kind;
  }
  if (axes.size() == static_cast<size_t>(x->type.rank()) && is_int(x->type.dtype)) {
    if (std::optional<Dim> d = known_result(*x, kind)) {
      const Shape shape(std::vector<Dim>(keep ? axes.size() : 0, Dim(1)));
      return n.result(LATHE_TRY(n.dims_value({*d}, shape, x->type.dtype)));
    }
  }
  Attrs attrs;
  attrs.set("kind", kind).set("axes", axes).set("keepdims", int64_t{keep});
  return n.result(LATHE_TRY(n.add("Reduce", {x}, std::move(attrs))));
}

}  // namespace lathe
