// SPDX-License-Identifier: Apache-2.0
// Values that are known before the model runs: from their contents, or by running the references
// of the few small nodes that lead to them.
#include <algorithm>
#include <unordered_map>

#include "onnx/import_state.h"
#include "onnx/node_import.h"
#include "tensor/dim_truncate.h"

namespace lathe {
namespace {

constexpr int64_t kMaxFoldElements = 1 << 16;
constexpr size_t kMaxFoldNodes = 256;

bool is_small(const TensorType& type) {
  if (!type.shape.is_concrete()) return false;
  int64_t elements = 1;
  for (int64_t d : type.shape.sizes()) {
    if (d > kMaxFoldElements) return false;
    elements *= d;
    if (elements > kMaxFoldElements) return false;
  }
  return true;
}

std::optional<HostTensor> from_contents(const Value& v) {
  if (!v.contents || !is_small(v.type)) return std::nullopt;
  Result<HostTensor> t = HostTensor::make(v.type);
  if (!t.ok() || static_cast<size_t>(t->elements()) != v.contents->size()) return std::nullopt;
  for (size_t k = 0; k < v.contents->size(); ++k) {
    if (!(*v.contents)[k].is_constant()) return std::nullopt;
    t->set_i64(static_cast<int64_t>(k), (*v.contents)[k].value());
  }
  return *std::move(t);
}

std::optional<HostTensor> known(const Value& v) {
  if (const HostTensor* t = v.constant()) return *t;
  return from_contents(v);
}

using Known = std::unordered_map<const Value*, HostTensor>;

// Runs one node whose operands are in `values`.
bool run(const Node& node, Known& values) {
  std::vector<HostTensor> in;
  for (const Value* v : node.operands) in.push_back(v ? values.at(v) : HostTensor());
  Result<std::vector<HostTensor>> out = run_reference(node.op, in);
  if (!out.ok()) return false;
  for (size_t k = 0; k < node.outputs.size(); ++k) values[node.outputs[k]] = (*out)[k];
  return true;
}

bool foldable(const Node* node) {
  return node && node->regions.empty() && !(node->op.def->flags & (kRandom | kOpaque)) &&
         std::all_of(node->outputs.begin(), node->outputs.end(),
                     [](const Value* v) { return is_small(v->type); });
}

}  // namespace

std::optional<HostTensor> fold_value(const Value* value) {
  Known values;
  std::vector<const Value*> stack{value};
  size_t ran = 0, looked = 0;
  while (!stack.empty()) {
    const Value* v = stack.back();
    if (values.contains(v)) {
      stack.pop_back();
      continue;
    }
    if (std::optional<HostTensor> t = known(*v)) {
      values.emplace(v, *std::move(t));
      continue;
    }
    if (++looked > 2 * kMaxFoldNodes || !foldable(v->producer)) return std::nullopt;
    bool ready = true;
    for (const Value* operand : v->producer->operands) {
      if (!operand || values.contains(operand)) continue;
      stack.push_back(operand);
      ready = false;
    }
    if (ready && (++ran > kMaxFoldNodes || !run(*v->producer, values))) return std::nullopt;
  }
  return values.at(value);
}

std::optional<HostTensor> NodeImport::fold(const Value* value) const { return fold_value(value); }

Result<HostTensor> NodeImport::constant_of(size_t k, std::string_view what) const {
  const Value* v = LATHE_TRY(need(k, what));
  if (std::optional<HostTensor> t = fold(v)) return *std::move(t);
  return unsupported(
      "operand {} ({}) must be known when the model is built, and it is computed "
      "from data",
      k, what);
}

Result<Dims> NodeImport::dims_of(size_t k, std::string_view what) const {
  const Value* v = LATHE_TRY(need(k, what));
  if (v->contents) return *v->contents;
  HostTensor t = LATHE_TRY(constant_of(k, what));
  if (!is_int(t.dtype()) && t.dtype() != DType::Bool) {
    return invalid("operand {} ({}) must hold integers, not {}", k, what, to_string(t.dtype()));
  }
  Dims dims;
  for (int64_t d : t.to_i64()) dims.push_back(d);
  return dims;
}

Result<Dims> NodeImport::sizes_of(size_t k, std::string_view what) const {
  Dims sizes = LATHE_TRY(dims_of(k, what));
  std::vector<Dim> numerators;
  for (Dim& d : sizes) d = with_floors(d, numerators);
  for (const Dim& n : numerators) {
    if (n.provably_nonnegative()) continue;
    state_.import.graph.add_constraint({Constraint::Kind::Nonnegative, n, Dim(),
                                        fmt::format("node '{}' ({}): a division in operand {} ({})",
                                                    state_.name, state_.type, k, what)});
  }
  return sizes;
}

Result<Ints> NodeImport::ints_of(size_t k, std::string_view what) const {
  Ints out;
  for (const Dim& d : LATHE_TRY(dims_of(k, what))) {
    if (!d.is_constant()) {
      return unsupported("operand {} ({}) depends on the sizes of the inputs", k, what);
    }
    out.push_back(d.value());
  }
  return out;
}

}  // namespace lathe
