// SPDX-License-Identifier: Apache-2.0
// Networks: building them, taking them from models, making models of them.
#include "lathe/network.h"

#include <algorithm>

#include "api/api_state.h"
#include "api/model_state.h"
#include "api/network_state.h"
#include "custom/operators.h"
#include "onnx/function_table.h"
#include "onnx/names.h"

namespace lathe {

Network::Network(std::string name) : state_(std::make_unique<NetworkState>()) {
  state_->draft.name = name;
  state_->name = std::move(name);
}
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;
Network::~Network() = default;

const std::string& Network::name() const { return state_->name; }

Result<Network> Network::with(const ModelOptions& operators, std::string name) {
  Network network(std::move(name));
  network.state_->draft.custom = LATHE_TRY(CustomOperators::open(operators.ops, operators.plugins));
  return network;
}

Result<Network> Network::from(const Model& model) {
  Network network(model.state_->name);
  Draft& draft = network.state_->draft;
  draft = model.state_->draft;
  for (int v = 0; v < draft.value_count(); ++v) {
    draft.value(v).claim = {};  // held when it was read, and need not after an edit
    if (draft.value(v).kind != DraftValue::Kind::Removed) {
      network.state_->names.emplace(draft.value(v).name, v);
    }
  }
  for (DraftPort& port : draft.outputs) port.claim = {};
  return network;
}

Status Network::check() const {
  Inference& inference = state_->inference;
  inference.finish();
  LATHE_TRY(inference.inputs_status());
  for (int n : state_->draft.order()) LATHE_TRY(inference.status(n));
  return {};
}

Result<Model> Network::finish() const {
  LATHE_TRY(check());
  if (state_->draft.outputs.empty()) return invalid("network '{}' has no outputs", name());
  auto made = std::make_shared<ModelState>();
  made->draft = state_->draft;
  made->name = state_->name;
  for (int n : made->draft.order()) made->nodes += made->draft.node(n).type == "Constant" ? 0 : 1;
  made->graph = LATHE_TRY(lower_model(*made, {}));
  Model model;
  model.state_ = std::move(made);
  return model;
}

Result<Network::Value> Network::add_input(std::string_view name, Type type,
                                          const std::vector<DimInfo>& shape) {
  NetworkState& s = *state_;
  const std::string full = name.empty() ? s.unique("input") : std::string(name);
  LATHE_TRY(s.check_free(full));
  const Shape dims = LATHE_TRY(s.shape(full, shape));
  const int v = s.draft.add_input(full, to_internal(type), true, dims);
  s.inference.add_input(v);
  s.names.emplace(full, v);
  return s.handle(v);
}

static Result<Network::Value> keep_constant(NetworkState& s, std::string_view name,
                                            Result<HostTensor> tensor) {
  const std::string full = name.empty() ? s.unique("constant") : std::string(name);
  if (!tensor.ok()) {
    return std::move(tensor).status().at(fmt::format("constant '{}'", printable(full)));
  }
  LATHE_TRY(s.check_free(full));
  const int v = s.draft.add_constant(full, *std::move(tensor));
  s.names.emplace(full, v);
  return s.handle(v);
}

Result<Network::Value> Network::add_constant(std::string_view name, Tensor data) {
  return keep_constant(*state_, name, host_tensor(std::move(data)));
}

Result<Network::Value> Network::borrow_constant(std::string_view name, Type type,
                                                const std::vector<int64_t>& shape, const void* data,
                                                size_t bytes, std::shared_ptr<const void> owner) {
  return keep_constant(*state_, name, borrowed_tensor(type, shape, data, bytes, std::move(owner)));
}

namespace {

// A node's operands as indices; trailing absent ones dropped.
Result<std::vector<int>> operand_indices(const NetworkState& s,
                                         const std::vector<Network::Value>& operands) {
  std::vector<int> out;
  for (size_t k = 0; k < operands.size(); ++k) {
    const bool absent = operands[k].id < 0;
    out.push_back(absent ? -1 : LATHE_TRY(s.index(operands[k], fmt::format("operand {}", k))));
  }
  while (!out.empty() && out.back() < 0) out.pop_back();
  return out;
}

void add_result(NetworkState& s, int node, size_t k) {
  const std::string& stem = s.draft.node(node).name;
  const std::string name = s.unique(k == 0 ? stem : fmt::format("{}:{}", stem, k));
  s.names.emplace(name, s.draft.add_result(node, k, name));
}

void take_back(NetworkState& s, int node) {
  s.inference.forget_from(node);
  for (int v : s.draft.node(node).results) {
    if (v >= 0) s.names.erase(s.draft.value(v).name);
  }
  s.draft.remove_node(node);
}

// Adds the node with `results` results, or, where that is -1, those that it gives unasked.
Result<Network::Node> add_node(NetworkState& s, DraftNode node, int results) {
  s.inference.finish();
  if (node.name.empty()) node.name = s.unique(node.type);
  const int n = s.draft.add_node(std::move(node));
  for (size_t k = 0; k < static_cast<size_t>(std::max(results, 1)); ++k) add_result(s, n, k);
  Result<std::vector<Value*>> made = s.inference.run_last(n);
  if (!made.ok()) {
    take_back(s, n);
    return std::move(made).status();
  }
  for (size_t k = 1; results < 0 && k < made->size(); ++k) {
    if (!(*made)[k]) continue;
    add_result(s, n, k);
    LATHE_TRY(s.inference.define(s.draft.node(n).results[k], (*made)[k]));
  }
  return s.node_handle(n);
}

std::string where(std::string_view name, std::string_view op) {
  return name.empty() ? fmt::format("a node ({})", printable(op))
                      : fmt::format("node '{}' ({})", printable(name), printable(op));
}

}  // namespace

Result<Network::Node> Network::add(std::string_view op, const std::vector<Value>& operands,
                                   const Attributes& attributes, std::string_view name) {
  DraftNode node;
  node.own = find_op(op);
  if (!node.own) {
    return unsupported("{}: there is no such operator", where(name, op))
        .with_cure("lathe ops lists Lathe's own; ONNX's are added by add_onnx");
  }
  node.type = op;
  node.name = name;
  Result<std::vector<int>> indices = operand_indices(*state_, operands);
  if (!indices.ok()) return std::move(indices).status().at(where(name, op));
  node.operands = *std::move(indices);
  Result<Attrs> attrs = to_attrs(*node.own, attributes);
  if (!attrs.ok()) return std::move(attrs).status().at(where(name, op));
  node.attrs = *std::move(attrs);
  return add_node(*state_, std::move(node), -1);
}

Result<Network::Node> Network::add_onnx(std::string_view op, const std::vector<Value>& operands,
                                        const Attributes& attributes, std::string_view name) {
  return add_onnx(op, operands, attributes, name, OnnxOptions());
}

Result<Network::Node> Network::add_onnx(std::string_view op, const std::vector<Value>& operands,
                                        const Attributes& attributes, std::string_view name,
                                        const OnnxOptions& options) {
  constexpr int kMaxResults = 1 << 16;
  if (options.results == 0 || options.results < -1 || options.results > kMaxResults) {
    return invalid("{}: {} results are asked for, expected 1 to {}, or -1", where(name, op),
                   options.results, kMaxResults);
  }
  DraftNode node;
  node.type = op;
  node.domain = canonical_domain(options.domain);
  node.opset = options.opset;
  node.onnx_opset = options.domain.empty() ? options.opset : kDefaultOpset;
  node.name = name;
  Result<std::vector<int>> indices = operand_indices(*state_, operands);
  if (!indices.ok()) return std::move(indices).status().at(where(name, op));
  node.operands = *std::move(indices);
  for (const auto& [attribute, value] : attributes) {
    Result<OnnxAttribute> made = to_onnx_attribute(value);
    if (!made.ok()) {
      return std::move(made).status().at(where(name, op) + ": attribute '" + attribute + "'");
    }
    node.attributes.emplace(attribute, std::make_shared<OnnxAttribute>(*std::move(made)));
  }
  return add_node(*state_, std::move(node), options.results);
}

Network::Value Network::result(Node node, size_t k) const {
  Result<int> n = state_->index(node);
  if (!n.ok() || k >= state_->draft.node(*n).results.size()) return {};
  return state_->handle(state_->draft.node(*n).results[k]);
}

Status Network::mark_output(Value value, std::string_view name) {
  NetworkState& s = *state_;
  const int v = LATHE_TRY(s.index(value));
  const std::string full = name.empty() ? s.draft.value(v).name : std::string(name);
  if (s.draft.is_output(v)) return invalid("the value '{}' is an output already", printable(full));
  for (const DraftPort& port : s.draft.outputs) {
    if (port.name == full) return invalid("an output is named '{}' already", printable(full));
  }
  s.draft.outputs.push_back({full, v});
  return {};
}

Status Network::unmark_output(Value value) {
  const int v = LATHE_TRY(state_->index(value));
  const size_t gone =
      std::erase_if(state_->draft.outputs, [&](const DraftPort& p) { return p.value == v; });
  if (gone > 0) return {};
  return invalid("the value '{}' is no output", printable(state_->draft.value(v).name));
}

}  // namespace lathe
