// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"

#include <algorithm>

#include "graph/graph_state.h"

namespace lathe {

const HostTensor* Value::constant() const {
  return producer && producer->is("Constant") ? &producer->op.attrs.tensor("value") : nullptr;
}

size_t Node::first_capture() const {
  return op.def->own_operands ? op.def->own_operands(op.attrs) : operands.size();
}

RegionType region_type(const Graph& region) {
  RegionType type;
  for (const GraphPort& port : region.inputs) type.in.push_back(port.value->type);
  for (const GraphPort& port : region.outputs) type.out.push_back(port.value->type);
  for (const Node* n : region.nodes()) {
    if (n->regions.empty()) continue;
    if (const std::string& symbols = n->op.attrs.text("symbols"); !symbols.empty())
      type.inner.push_back(symbols);
  }
  return type;
}

bool is_made_up(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

uint64_t constant_mask(const Node& node) {
  uint64_t mask = 0;
  for (size_t k = 0; k < node.operands.size() && k < 64; ++k) {
    const Value* v = node.operands[k];
    if (v && v->producer && v->producer->is("Constant")) mask |= uint64_t{1} << k;
  }
  return mask;
}

Graph::State::~State() {
  while (head) {
    NodeSlot* next = head->next;
    delete head;
    head = next;
  }
}

NodeSlot* Graph::State::link(std::unique_ptr<NodeSlot> node, Node* before) {
  NodeSlot* n = node.release();
  n->next = before ? slot(before) : nullptr;
  n->prev = before ? slot(before)->prev : tail;
  (n->prev ? n->prev->next : head) = n;
  (n->next ? n->next->prev : tail) = n;
  ++count;
  return n;
}

void Graph::State::unlink_and_delete(NodeSlot* node) {
  for (const auto& value : node->owned) by_name.erase(value->name);
  (node->prev ? node->prev->next : head) = node->next;
  (node->next ? node->next->prev : tail) = node->prev;
  --count;
  delete node;
}

std::string Graph::State::unique_name(std::string_view stem) {
  if (stem.empty()) {
    std::string name;
    do {
      name = std::to_string(next_number++);
    } while (by_name.contains(name));
    return name;
  }
  if (!by_name.contains(stem)) return std::string(stem);
  int64_t& suffix = next_suffix.try_emplace(std::string(stem), 2).first->second;
  std::string name;
  do {
    name = fmt::format("{}_{}", stem, suffix++);
  } while (by_name.contains(name));
  return name;
}

void Graph::State::register_name(Value* value, std::string name) {
  LATHE_CHECK(by_name.emplace(name, value).second);
  value->name = std::move(name);
}

Value* Graph::State::add_output_value(NodeSlot* node, TensorType type, std::string name) {
  Value* value = node->owned.emplace_back(std::make_unique<Value>()).get();
  value->type = std::move(type);
  value->producer = node;
  value->index = static_cast<int>(node->outputs.size());
  node->outputs.push_back(value);
  register_name(value, std::move(name));
  return value;
}

// Searched from the back: nodes are mostly erased last first.
void Graph::State::remove_reader(Value* value, Node* node) {
  if (!value) return;
  auto& readers = value->readers;
  auto it = std::find(readers.rbegin(), readers.rend(), node);
  LATHE_CHECK(it != readers.rend());
  readers.erase(std::next(it).base());
}

Graph::Graph() : state_(std::make_unique<State>()) {}
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;

Value* Graph::add_input(std::string_view port, TensorType type) {
  Value* value = state_->input_values.emplace_back(std::make_unique<Value>()).get();
  value->type = std::move(type);
  state_->register_name(value, state_->unique_name(port));
  inputs.push_back({std::string(port), value});
  return value;
}

void Graph::erase_input(size_t k) {
  Value* value = inputs[k].value;
  LATHE_CHECK(value->readers.empty() && value->output_uses == 0);
  state_->by_name.erase(value->name);
  inputs.erase(inputs.begin() + static_cast<long>(k));
  std::erase_if(state_->input_values, [&](const auto& owned) { return owned.get() == value; });
}

void Graph::add_output(std::string_view port, Value* value) {
  LATHE_CHECK(value);
  outputs.push_back({std::string(port), value});
  ++value->output_uses;
}

void Graph::add_constraint(Constraint constraint) {
  if (!state_->known_constraints.emplace(constraint.kind, constraint.a, constraint.b).second)
    return;
  constraints.push_back(std::move(constraint));
}

namespace {

std::string describe(std::string_view op, std::string_view name) {
  if (name.empty()) return fmt::format("a node ({})", op);
  return fmt::format("node '{}' ({})", name, op);
}

}  // namespace

Result<Node*> Graph::append(std::string_view op, std::vector<Value*> operands, Attrs attrs,
                            std::string_view node_name, Node* before,
                            std::vector<std::unique_ptr<Graph>> regions) {
  const OpDef* def = find_op(op);
  if (!def) return unsupported("{}: there is no such operator", describe(op, node_name));
  std::vector<TensorType> types;
  std::vector<std::optional<Contents>> contents;
  for (const Value* v : operands) {
    types.push_back(v ? v->type : TensorType());
    contents.push_back(v ? v->contents : std::nullopt);
  }
  std::vector<RegionType> inside;
  inside.reserve(regions.size());
  for (const auto& region : regions) inside.push_back(region_type(*region));
  Result<Inferred> inferred = infer(*def, std::move(types), std::move(attrs), contents, inside);
  if (!inferred.ok()) return std::move(inferred).status().at(describe(op, node_name));
  for (Constraint& c : inferred->constraints) {
    c.message = fmt::format("{}: {}", describe(op, node_name), c.message);
    add_constraint(std::move(c));
  }
  auto node = std::make_unique<NodeSlot>();
  node->op = std::move(inferred->op);
  node->operands = std::move(operands);
  node->name = node_name;
  node->regions = std::move(regions);
  node->op.constant_in = constant_mask(*node);
  NodeSlot* n = state_->link(std::move(node), before);
  for (Value* v : n->operands) State::add_reader(v, n);
  for (size_t k = 0; k < n->op.out.size(); ++k) {
    Value* out = state_->add_output_value(n, n->op.out[k], state_->unique_name(""));
    if (k < inferred->contents.size()) out->contents = std::move(inferred->contents[k]);
  }
  return n;
}

Value* Graph::constant(HostTensor value, std::string_view value_name, Node* before) {
  Result<Node*> node =
      append("Constant", {}, Attrs().set("value", std::move(value)), value_name, before);
  LATHE_CHECK(node.ok());
  if (!value_name.empty()) rename((*node)->out(), value_name);
  return (*node)->out();
}

std::vector<Node*> Graph::nodes() const {
  std::vector<Node*> all;
  all.reserve(state_->count);
  for (NodeSlot* n = state_->head; n; n = n->next) all.push_back(n);
  return all;
}

size_t Graph::node_count() const { return state_->count; }

Value* Graph::find_value(std::string_view value_name) const {
  auto it = state_->by_name.find(value_name);
  return it == state_->by_name.end() ? nullptr : it->second;
}

std::string Graph::unique_name(std::string_view stem) { return state_->unique_name(stem); }

void Graph::rename(Value* value, std::string_view wanted) {
  const std::string new_name(wanted);  // it may be a name that changes here
  if (value->name == new_name) return;
  if (Value* other = find_value(new_name); other && is_made_up(new_name)) {
    const std::string fresh = state_->unique_name("");
    state_->by_name.erase(other->name);
    state_->register_name(other, fresh);
  }
  state_->by_name.erase(value->name);
  state_->register_name(value, state_->unique_name(new_name));
}

Graph Graph::clone() const {
  Graph copy;
  copy.name = name;
  copy.constraints = constraints;
  copy.state_->known_constraints = state_->known_constraints;
  copy.state_->next_number = state_->next_number;
  copy.state_->next_suffix = state_->next_suffix;
  std::unordered_map<const Value*, Value*> twin{{nullptr, nullptr}};
  for (const GraphPort& port : inputs) {
    Value* v = copy.add_input(port.name, port.value->type);
    copy.rename(v, port.value->name);
    v->contents = port.value->contents;
    twin[port.value] = v;
  }
  for (const Node* n : nodes()) {
    auto node = std::make_unique<NodeSlot>();
    node->op = n->op;
    node->name = n->name;
    for (const Value* v : n->operands) node->operands.push_back(twin.at(v));
    for (const auto& region : n->regions) {
      node->regions.push_back(std::make_unique<Graph>(region->clone()));
    }
    NodeSlot* added = copy.state_->link(std::move(node), nullptr);
    for (Value* v : added->operands) State::add_reader(v, added);
    for (const Value* v : n->outputs) {
      Value* out = copy.state_->add_output_value(added, v->type, v->name);
      out->contents = v->contents;
      twin[v] = out;
    }
  }
  for (const GraphPort& port : outputs) copy.add_output(port.name, twin.at(port.value));
  return copy;
}

}  // namespace lathe
