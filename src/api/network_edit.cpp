// SPDX-License-Identifier: Apache-2.0
// Editing a Network.
#include <algorithm>

#include "api/api_state.h"
#include "api/network_state.h"
#include "onnx/names.h"

namespace lathe {
namespace {

constexpr size_t kMaxOperands = 1 << 16;

struct Slot {
  int node;
  size_t operand;
};

// Lets the slots read `v`, or leaves everything as it was where that makes a cycle.
Status rewire(NetworkState& s, const std::vector<Slot>& slots, int v) {
  std::vector<int> before;
  for (const Slot& slot : slots) {
    const std::vector<int>& operands = s.draft.node(slot.node).operands;
    before.push_back(slot.operand < operands.size() ? operands[slot.operand] : -1);
    s.draft.set_operand(slot.node, slot.operand, v);
  }
  Status sorted = s.draft.sort();
  if (!sorted.ok()) {
    for (size_t k = slots.size(); k-- > 0;) {
      s.draft.set_operand(slots[k].node, slots[k].operand, before[k]);
    }
    return sorted;
  }
  s.inference.forget();
  return {};
}

Result<int> constant_index(const NetworkState& s, Network::Value value) {
  const int v = LATHE_TRY(s.index(value));
  if (s.draft.value(v).kind == DraftValue::Kind::Constant) return v;
  return invalid("the value '{}' is no constant", printable(s.draft.value(v).name));
}

Status put_constant(NetworkState& s, Network::Value value, Result<HostTensor> tensor) {
  const int v = LATHE_TRY(constant_index(s, value));
  DraftValue& d = s.draft.value(v);
  if (!tensor.ok()) {
    return std::move(tensor).status().at(fmt::format("constant '{}'", printable(d.name)));
  }
  s.constant_changed(v);
  d.tensor = *std::move(tensor);
  d.unreadable = {};
  return {};
}

void drop_value(NetworkState& s, int v) {
  s.names.erase(s.draft.value(v).name);
  s.draft.remove_value(v);
}

void drop_node(NetworkState& s, int n) {
  s.inference.forget_from(n);
  for (int v : s.draft.node(n).results) {
    if (v >= 0) s.names.erase(s.draft.value(v).name);
  }
  const bool inside = !s.draft.node(n).graphs.empty();
  s.draft.remove_node(n);
  // Names of what was inside went with it.
  if (!inside) return;
  std::erase_if(s.names, [&](const auto& entry) {
    return s.draft.value(entry.second).kind == DraftValue::Kind::Removed;
  });
}

bool is_dead(const Draft& draft, int v) {
  return v < 0 || (draft.value(v).readers.empty() && !draft.is_output(v));
}

}  // namespace

Status Network::rename(Value value, std::string_view name) {
  NetworkState& s = *state_;
  const int v = LATHE_TRY(s.index(value));
  const std::string before = s.draft.value(v).name;
  const std::string after(name);
  if (after == before) return {};
  if (after.empty()) return invalid("the value '{}' needs a name", printable(before));
  LATHE_TRY(s.check_free(after));
  for (DraftPort& port : s.draft.outputs) {
    if (port.name == after) return invalid("an output is named '{}' already", printable(after));
  }
  for (DraftPort& port : s.draft.outputs) {
    if (port.value == v && port.name == before) port.name = after;
  }
  s.names.erase(before);
  s.names.emplace(after, v);
  s.draft.value(v).name = after;
  return {};
}

Status Network::rename(Node node, std::string_view name) {
  const int n = LATHE_TRY(state_->index(node));
  state_->inference.forget_from(n);  // errors hold the name
  state_->draft.node(n).name = name;
  return {};
}

Status Network::set_operand(Node node, size_t k, Value value) {
  NetworkState& s = *state_;
  const int n = LATHE_TRY(s.index(node));
  const int v = value.id < 0 ? -1 : LATHE_TRY(s.index(value));
  if (k >= kMaxOperands) {
    return invalid("{}: operand {} is beyond {}", s.draft.node(n).where(), k, kMaxOperands);
  }
  return rewire(s, {{n, k}}, v);
}

Status Network::replace(Value value, Value replacement) {
  NetworkState& s = *state_;
  const int from = LATHE_TRY(s.index(value));
  const int to = LATHE_TRY(s.index(replacement, "replacement"));
  if (from == to) return {};
  if (s.draft.is_output(from) && s.draft.is_output(to)) {
    return invalid("the values '{}' and '{}' are both outputs", printable(s.draft.value(from).name),
                   printable(s.draft.value(to).name));
  }
  std::vector<Slot> slots;
  std::vector<int> readers = s.draft.value(from).readers;
  std::sort(readers.begin(), readers.end());
  readers.erase(std::unique(readers.begin(), readers.end()), readers.end());
  for (int n : readers) {
    if (n == s.draft.value(to).producer) continue;
    const std::vector<int>& operands = s.draft.node(n).operands;
    for (size_t k = 0; k < operands.size(); ++k) {
      if (operands[k] == from) slots.push_back({n, k});
    }
  }
  LATHE_TRY(rewire(s, slots, to));
  for (int n : readers) {
    for (DraftGraph& graph : s.draft.node(n).graphs) {
      std::replace(graph.results.begin(), graph.results.end(), from, to);
    }
  }
  for (DraftPort& port : s.draft.outputs) {
    if (port.value == from) port.value = to;
  }
  return {};
}

Status Network::set_attribute(Node node, const std::string& name, const Attribute& attribute) {
  const int n = LATHE_TRY(state_->index(node));
  DraftNode& d = state_->draft.node(n);
  if (d.own) {
    Result<AttrValue> value = to_attr(*d.own, name, attribute);
    if (!value.ok()) return std::move(value).status().at(d.where());
    d.attrs.set(name, *std::move(value));
  } else {
    Result<OnnxAttribute> value = to_onnx_attribute(attribute);
    if (!value.ok()) return std::move(value).status().at(d.where());
    d.attributes[name] = std::make_shared<OnnxAttribute>(*std::move(value));
  }
  state_->inference.forget_from(n);
  return {};
}

Status Network::remove_attribute(Node node, const std::string& name) {
  const int n = LATHE_TRY(state_->index(node));
  DraftNode& d = state_->draft.node(n);
  d.attrs.erase(name);
  d.attributes.erase(name);
  state_->inference.forget_from(n);
  return {};
}

Status Network::set_input(Value input, Type type, const std::vector<DimInfo>& shape) {
  NetworkState& s = *state_;
  const int v = LATHE_TRY(s.index(input));
  if (s.draft.value(v).kind != DraftValue::Kind::Input) {
    return invalid("the value '{}' is no input", printable(s.draft.value(v).name));
  }
  Shape dims = LATHE_TRY(s.shape(s.draft.value(v).name, shape));
  DraftValue& d = s.draft.value(v);
  d.dtype = to_internal(type);
  d.has_shape = true;
  d.shape = std::move(dims);
  s.inference.forget();
  return {};
}

Status Network::set_constant(Value value, Tensor data) {
  return put_constant(*state_, value, host_tensor(std::move(data)));
}

Status Network::borrow_constant(Value value, Type type, const std::vector<int64_t>& shape,
                                const void* data, size_t bytes, std::shared_ptr<const void> owner) {
  return put_constant(*state_, value, borrowed_tensor(type, shape, data, bytes, std::move(owner)));
}

Status Network::remove(Node node) {
  NetworkState& s = *state_;
  const int n = LATHE_TRY(s.index(node));
  for (int v : s.draft.node(n).results) {
    if (is_dead(s.draft, v)) continue;
    return invalid("{}: its result '{}' is in use", s.draft.node(n).where(),
                   printable(s.draft.value(v).name));
  }
  drop_node(s, n);
  return {};
}

Status Network::remove(Value value) {
  NetworkState& s = *state_;
  const int v = LATHE_TRY(s.index(value));
  const std::string name = printable(s.draft.value(v).name);
  if (s.draft.value(v).kind == DraftValue::Kind::Result) {
    return invalid("the value '{}' is a node's result: remove the node", name);
  }
  if (!is_dead(s.draft, v)) return invalid("the value '{}' is in use", name);
  s.inference.forget();
  drop_value(s, v);
  return {};
}

// Last to first: what reads a node comes after it.
int Network::remove_dead() {
  NetworkState& s = *state_;
  const std::vector<int> order(s.draft.order().begin(), s.draft.order().end());
  int gone = 0;
  for (size_t k = order.size(); k-- > 0;) {
    const std::vector<int>& results = s.draft.node(order[k]).results;
    if (!std::all_of(results.begin(), results.end(), [&](int v) { return is_dead(s.draft, v); })) {
      continue;
    }
    drop_node(s, order[k]);
    ++gone;
  }
  for (int v = 0; v < s.draft.value_count(); ++v) {
    const DraftValue& value = s.draft.value(v);
    if (value.kind == DraftValue::Kind::Constant && !value.inner && is_dead(s.draft, v))
      drop_value(s, v);
  }
  return gone;
}

}  // namespace lathe
