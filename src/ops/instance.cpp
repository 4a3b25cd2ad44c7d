// SPDX-License-Identifier: Apache-2.0
// OpInstance: its text and its evaluation.
#include <algorithm>

#include "ops/op.h"

namespace lathe {
namespace {

bool concrete(const std::vector<TensorType>& types) {
  return std::ranges::all_of(types, [](const TensorType& t) { return t.shape.is_concrete(); });
}

bool concrete(const Attrs& attrs) {
  for (const auto& [name, value] : attrs) {
    const Dims* dims = std::get_if<Dims>(&value);
    if (dims != nullptr && !std::ranges::all_of(*dims, &Dim::is_constant)) return false;
  }
  return true;
}

bool concrete(const std::vector<std::optional<Slice>>& slices) {
  return std::ranges::all_of(slices, [](const std::optional<Slice>& s) {
    return !s || (s->start.is_constant() && s->whole.is_constant());
  });
}

Status evaluate_types(std::vector<TensorType>& types, const Bindings& values) {
  for (TensorType& t : types) {
    t.shape = LATHE_TRY(t.shape.evaluate(values));
    if (t.dtype != DType::String) LATHE_TRY(storage_bytes(t).status());
  }
  return {};
}

Status evaluate_attrs(Attrs& attrs, const Bindings& values) {
  Attrs out = attrs;
  for (const auto& [name, value] : attrs) {
    const Dims* dims = std::get_if<Dims>(&value);
    if (dims == nullptr) continue;
    Dims evaluated;
    for (const Dim& d : *dims) evaluated.push_back(LATHE_TRY(d.evaluate(values)));
    out.set(name, std::move(evaluated));
  }
  attrs = std::move(out);
  return {};
}

Status evaluate_slices(std::vector<std::optional<Slice>>& slices, const Bindings& values) {
  for (std::optional<Slice>& s : slices) {
    if (!s) continue;
    s->start = LATHE_TRY(s->start.evaluate(values));
    s->whole = LATHE_TRY(s->whole.evaluate(values));
  }
  return {};
}

// Shapes and element types equal, layouts aside.
Status check_same(const std::vector<TensorType>& stated, const std::vector<TensorType>& inferred) {
  if (stated.size() != inferred.size()) {
    return internal("{} outputs stated, {} inferred", stated.size(), inferred.size());
  }
  for (size_t k = 0; k < stated.size(); ++k) {
    if (stated[k].dtype != inferred[k].dtype || stated[k].shape != inferred[k].shape) {
      return invalid("output {} was planned as {}, and is {}", k, stated[k].to_string(),
                     inferred[k].to_string());
    }
  }
  return {};
}

}  // namespace

bool OpInstance::is_concrete() const {
  return concrete(in) && concrete(out) && concrete(attrs) && concrete(fusion.anchor_in) &&
         concrete(fusion.anchor_out) && concrete(fusion.in_slice) && concrete(fusion.out_slice);
}

std::string OpInstance::to_string() const {
  std::string text = std::string(def->name) + attrs.to_string(false) + fusion.to_string() + "(";
  for (size_t k = 0; k < in.size(); ++k) {
    if (k > 0) text += ", ";
    if (is_constant(static_cast<int>(k))) text += "const ";
    text += in[k].to_string();
  }
  text += ") -> (";
  for (size_t k = 0; k < out.size(); ++k) text += (k > 0 ? ", " : "") + out[k].to_string();
  return text + ")";
}

Result<OpInstance> OpInstance::evaluate(const Bindings& values) const {
  OpInstance op = *this;
  auto evaluate_all = [&]() -> Status {
    LATHE_TRY(evaluate_types(op.in, values));
    LATHE_TRY(evaluate_types(op.out, values));
    LATHE_TRY(evaluate_attrs(op.attrs, values));
    LATHE_TRY(evaluate_types(op.fusion.anchor_in, values));
    LATHE_TRY(evaluate_types(op.fusion.anchor_out, values));
    LATHE_TRY(evaluate_slices(op.fusion.in_slice, values));
    return evaluate_slices(op.fusion.out_slice, values);
  };
  if (Status s = evaluate_all(); !s.ok()) return std::move(s).at(def->name);
  bool fused = !op.fusion.empty();
  Inferred inferred = LATHE_TRY(infer(*def, fused ? op.fusion.anchor_in : op.in, op.attrs));
  Status same = check_same(fused ? op.fusion.anchor_out : op.out, inferred.op.out);
  if (!same.ok()) return std::move(same).at(def->name);
  return op;
}

}  // namespace lathe
