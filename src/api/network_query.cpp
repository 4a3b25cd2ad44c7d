// SPDX-License-Identifier: Apache-2.0
// What a Network answers about itself.
#include <algorithm>

#include "api/api_state.h"
#include "api/network_state.h"
#include "onnx/names.h"

namespace lathe {
namespace {

DimInfo dim_info(const Dim& d) {
  return d.is_constant() ? DimInfo{d.value(), ""} : DimInfo{-1, d.to_string()};
}

std::vector<DimInfo> dim_infos(std::span<const Dim> dims) {
  std::vector<DimInfo> out;
  for (const Dim& d : dims) out.push_back(dim_info(d));
  return out;
}

void describe(const TensorType& type, const std::optional<Contents>& contents,
              Network::ValueInfo& info) {
  info.type = to_public(type.dtype);
  info.shape = dim_infos(type.shape.dims());
  if (contents) info.contents = dim_infos(*contents);
}

void describe(const HostTensor& t, Network::ValueInfo& info) {
  std::optional<Contents> contents;
  if ((is_int(t.dtype()) || t.dtype() == DType::Bool) && t.elements() <= kMaxContents) {
    const std::vector<int64_t> values = t.to_i64();
    contents.emplace(values.begin(), values.end());
  }
  describe(t.type(), contents, info);
}

std::string names(const Draft& draft, const std::vector<int>& values) {
  std::string out;
  for (int v : values) {
    out += (out.empty() ? "" : ", ") + (v < 0 ? "-" : printable(draft.value(v).name));
  }
  return out;
}

std::string text_of(const Draft& draft, const DraftNode& node) {
  return fmt::format("{} = {}{}({})", names(draft, node.results), printable(node.type),
                     attributes_text(node), names(draft, node.operands));
}

// "f32[N,8]", "?" where it is not known.
std::string type_text(const NetworkState& s, int v) {
  const DraftValue& value = s.draft.value(v);
  if (value.kind == DraftValue::Kind::Constant) return value.tensor.type().to_string();
  const Value* known = s.inference.find(v);
  return known ? known->type.to_string() : "?";
}

}  // namespace

std::vector<Network::Value> Network::inputs() const {
  std::vector<Value> out;
  for (int v : state_->draft.inputs) out.push_back(state_->handle(v));
  return out;
}

std::vector<Network::Value> Network::outputs() const {
  std::vector<Value> out;
  for (const DraftPort& p : state_->draft.outputs) out.push_back(state_->handle(p.value));
  return out;
}

std::vector<std::string> Network::output_names() const {
  std::vector<std::string> out;
  for (const DraftPort& p : state_->draft.outputs) out.push_back(p.name);
  return out;
}

// Values inside graphs that a node holds are that node's own affair.
std::vector<Network::Value> Network::values() const {
  std::vector<Value> out;
  for (int v = 0; v < state_->draft.value_count(); ++v) {
    const DraftValue& value = state_->draft.value(v);
    if (value.kind != DraftValue::Kind::Removed && !value.inner) out.push_back(state_->handle(v));
  }
  return out;
}

std::vector<Network::Value> Network::constants() const {
  std::vector<Value> out;
  for (int v = 0; v < state_->draft.value_count(); ++v) {
    const DraftValue& value = state_->draft.value(v);
    if (value.kind == DraftValue::Kind::Constant && !value.inner) out.push_back(state_->handle(v));
  }
  return out;
}

std::vector<Network::Node> Network::nodes() const {
  std::vector<Node> out;
  for (int n : state_->draft.order()) out.push_back(state_->node_handle(n));
  return out;
}

Result<Network::ValueInfo> Network::info(Value value) const {
  NetworkState& s = *state_;
  const int v = LATHE_TRY(s.index(value));
  const DraftValue& d = s.draft.value(v);
  ValueInfo info;
  info.name = d.name;
  info.producer = s.node_handle(d.producer);
  info.index = d.index;
  info.is_output = s.draft.is_output(v);
  for (int n : d.readers) {
    if (!s.draft.node(n).inner) info.readers.push_back(s.node_handle(n));
  }
  if (d.kind == DraftValue::Kind::Constant) {
    info.kind = Kind::Constant;
    LATHE_TRY(Status(d.unreadable));
    describe(d.tensor, info);
    return info;
  }
  if (d.kind == DraftValue::Kind::Input) {
    info.kind = Kind::Input;
    describe({d.dtype, d.shape}, std::nullopt, info);
    return info;
  }
  s.inference.finish();
  LATHE_TRY(s.inference.inputs_status());
  LATHE_TRY(s.inference.status(d.producer));
  const lathe::Value* known = s.inference.find(v);
  LATHE_CHECK(known);
  describe(known->type, known->contents, info);
  return info;
}

Result<Network::NodeInfo> Network::info(Node node) const {
  const NetworkState& s = *state_;
  const int n = LATHE_TRY(s.index(node));
  const DraftNode& d = s.draft.node(n);
  NodeInfo info;
  info.name = d.name;
  info.op = d.type;
  info.domain = d.own ? "lathe" : d.domain;
  info.opset = static_cast<int>(d.opset);
  for (int v : d.operands) info.operands.push_back(s.handle(v));
  for (int v : d.results) info.results.push_back(s.handle(v));
  info.attributes = to_public(d);
  info.text = text_of(s.draft, d);
  return info;
}

Result<std::string> Network::name(Value value) const {
  return state_->draft.value(LATHE_TRY(state_->index(value))).name;
}

Network::Value Network::find_value(std::string_view name) const {
  auto it = state_->names.find(std::string(name));
  const bool found = it != state_->names.end() && !state_->draft.value(it->second).inner;
  return found ? state_->handle(it->second) : Value{};
}

Network::Node Network::find_node(std::string_view name) const {
  for (int n : state_->draft.order()) {
    if (state_->draft.node(n).name == name) return state_->node_handle(n);
  }
  return {};
}

static Result<const HostTensor*> tensor_of(const NetworkState& s, Network::Value value) {
  const int v = LATHE_TRY(s.index(value));
  const DraftValue& d = s.draft.value(v);
  if (d.kind != DraftValue::Kind::Constant) {
    return invalid("the value '{}' is no constant", printable(d.name));
  }
  LATHE_TRY(Status(d.unreadable));
  return &d.tensor;
}

Result<Tensor> Network::constant(Value value) const {
  return TensorAccess::from(*LATHE_TRY(tensor_of(*state_, value)));
}

Result<std::span<const std::byte>> Network::constant_bytes(Value value) const {
  const HostTensor* t = LATHE_TRY(tensor_of(*state_, value));
  if (t->dtype() == DType::String) return invalid("strings have no bytes");
  return t->bytes();
}

std::string Network::to_string() const {
  NetworkState& s = *state_;
  s.inference.finish();
  std::string out = fmt::format("network {}\n", printable(s.name));
  for (int v : s.draft.inputs) {
    out += fmt::format("  input {}: {}\n", printable(s.draft.value(v).name), type_text(s, v));
  }
  for (int n : s.draft.order()) {
    const DraftNode& node = s.draft.node(n);
    const Status status = s.inference.status(n);
    std::string types;
    for (int v : node.results) {
      if (v >= 0) types += (types.empty() ? "" : ", ") + type_text(s, v);
    }
    out += fmt::format("  {}  # {}\n", text_of(s.draft, node),
                       status.ok() ? types : "error: " + status.message());
  }
  for (const DraftPort& p : s.draft.outputs) {
    out += fmt::format("  output {}: {}\n", printable(p.name), type_text(s, p.value));
  }
  return out;
}

}  // namespace lathe
