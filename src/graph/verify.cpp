// SPDX-License-Identifier: Apache-2.0
// Every invariant of a graph, checked from nothing: a pass that breaks one is a bug of ours, so
// errors are Internal and name the node.
#include <algorithm>
#include <unordered_set>

#include "graph/graph_state.h"

namespace lathe {
namespace {

// Beginnings of symbols by the nodes that give them a value.
using SymbolOwners = std::unordered_map<std::string_view, const Node*>;

struct Verifier {
  const Graph& graph;
  SymbolOwners& owners;  // of the whole graph around
  int depth = 0;
  std::unordered_set<const Value*> defined = {};
  std::vector<std::pair<const Value*, const Node*>> reads = {};  // one for each operand slot

  Status run();
  Status check_ports() const;
  Status check_value(const Value* v, const Node* producer, int index);
  Status check_node(const Node* n);
  Status check_operands(const Node* n);
  Status check_regions(const Node& n);
  Status check_inference(const Node& n) const;
  Status check_readers() const;
  Status check_output_uses() const;
};

std::string describe_node(const Node& n) {
  std::string name = n.name;
  if (name.empty() && !n.outputs.empty()) name = "%" + n.outputs[0]->name;
  return fmt::format("node '{}' ({})", name, n.op.def ? n.op.def->name : "?");
}

Status Verifier::check_value(const Value* v, const Node* producer, int index) {
  if (!v) return internal("a value is null");
  if (v->producer != producer || v->index != index) {
    return internal("value %{} does not know its producer", v->name);
  }
  if (graph.find_value(v->name) != v) return internal("value name %{} is not unique", v->name);
  if (v->type.absent()) return internal("value %{} has no type", v->name);
  if (!defined.insert(v).second) return internal("value %{} is defined twice", v->name);
  return {};
}

Status Verifier::check_operands(const Node* n) {
  if (n->op.in.size() != n->operands.size()) return internal("operand count differs from op.in");
  for (size_t k = 0; k < n->operands.size(); ++k) {
    const Value* v = n->operands[k];
    if (!v) {
      if (!n->op.in[k].absent()) return internal("operand {} is absent, its type is not", k);
      continue;
    }
    if (!defined.contains(v)) {
      return internal("operand {} (%{}) is not defined before this node", k, v->name);
    }
    if (v->type != n->op.in[k]) {
      return internal("operand {} (%{}) is {}, the operator expects {}", k, v->name,
                      v->type.to_string(), n->op.in[k].to_string());
    }
    reads.emplace_back(v, n);
  }
  if (n->op.constant_in != constant_mask(*n)) return internal("constant_in is stale");
  return {};
}

Status Verifier::check_inference(const Node& n) const {
  if (!n.op.fusion.empty() || n.op.fusion.sliced()) return {};
  std::vector<std::optional<Contents>> contents;
  for (const Value* v : n.operands) contents.push_back(v ? v->contents : std::nullopt);
  std::vector<RegionType> regions;
  regions.reserve(n.regions.size());
  for (const auto& region : n.regions) regions.push_back(region_type(*region));
  Inferred again = LATHE_TRY(infer(*n.op.def, n.op.in, n.op.attrs, contents, regions));
  if (again.op.out != n.op.out) return internal("inference gives other types than the node has");
  for (size_t k = 0; k < n.outputs.size() && k < again.contents.size(); ++k) {
    const auto& known = n.outputs[k]->contents;
    if (!known || !again.contents[k]) continue;
    if (known->size() != again.contents[k]->size()) return internal("output {}: stale contents", k);
    for (size_t i = 0; i < known->size(); ++i) {
      const Dim &a = (*known)[i], &b = (*again.contents[k])[i];
      if (a.is_constant() && b.is_constant() && a != b) {
        return internal("output {}: element {} is known as {} and as {}", k, i, a.value(),
                        b.value());
      }
    }
  }
  return {};
}

Status Verifier::check_node(const Node* n) {
  if (!n->op.def) return internal("the operator is null");
  LATHE_TRY(check_operands(n));
  if (n->outputs.size() != n->op.out.size()) return internal("output count differs from op.out");
  for (size_t k = 0; k < n->outputs.size(); ++k) {
    LATHE_TRY(check_value(n->outputs[k], n, static_cast<int>(k)));
    if (n->outputs[k]->type != n->op.out[k]) {
      return internal("output {} is {}, the operator gives {}", k, n->outputs[k]->type.to_string(),
                      n->op.out[k].to_string());
    }
  }
  LATHE_TRY(check_regions(*n));
  return check_inference(*n);
}

Status Verifier::check_regions(const Node& n) {
  for (size_t k = 0; k < n.regions.size(); ++k) {
    if (!n.regions[k]) return internal("region {} is null", k);
    Status s = Verifier{*n.regions[k], owners, depth + 1}.run();
    if (!s.ok()) return std::move(s).at(fmt::format("region {}", k));
  }
  if (n.regions.empty()) return {};
  const AttrValue* symbols = n.op.attrs.find("symbols");
  const auto* text = symbols ? std::get_if<std::string>(symbols) : nullptr;
  if (!text || text->empty() || owners.emplace(*text, &n).second) return {};
  return internal("its symbols begin with '{}', as those of {} do", *text,
                  describe_node(*owners.at(*text)));
}

Status Verifier::check_readers() const {
  auto expected = reads;
  std::vector<std::pair<const Value*, const Node*>> recorded;
  for (const Value* v : defined) {
    for (const Node* reader : v->readers) recorded.emplace_back(v, reader);
  }
  std::sort(expected.begin(), expected.end());
  std::sort(recorded.begin(), recorded.end());
  if (expected == recorded) return {};
  for (const Value* v : defined) {
    auto count = std::count_if(reads.begin(), reads.end(), [&](auto& r) { return r.first == v; });
    if (static_cast<size_t>(count) != v->readers.size()) {
      return internal("value %{} has {} readers and records {}", v->name, count, v->readers.size());
    }
  }
  return internal("a value records a reader that does not read it");
}

Status Verifier::check_output_uses() const {
  std::unordered_map<const Value*, int> uses;
  for (const GraphPort& port : graph.outputs) ++uses[port.value];
  for (const Value* v : defined) {
    auto it = uses.find(v);
    if (v->output_uses != (it == uses.end() ? 0 : it->second)) {
      return internal("value %{} miscounts its uses as a graph output", v->name);
    }
  }
  return {};
}

Status Verifier::check_ports() const {
  std::unordered_set<std::string_view> in, out;
  for (const GraphPort& port : graph.inputs) {
    if (!in.insert(port.name).second) return internal("two inputs are named '{}'", port.name);
  }
  for (const GraphPort& port : graph.outputs) {
    if (!out.insert(port.name).second) return internal("two outputs are named '{}'", port.name);
    if (!defined.contains(port.value)) {
      return internal("output '{}' is no value of this graph", port.name);
    }
  }
  return {};
}

Status Verifier::run() {
  if (depth > kMaxRegionDepth) return invalid("regions nest deeper than {}", kMaxRegionDepth);
  for (const GraphPort& port : graph.inputs) LATHE_TRY(check_value(port.value, nullptr, 0));
  for (const Node* n : graph.nodes()) {
    if (Status s = check_node(n); !s.ok()) return std::move(s).at(describe_node(*n));
  }
  LATHE_TRY(check_ports());
  LATHE_TRY(check_output_uses());
  return check_readers();
}

}  // namespace

Status verify(const Graph& graph) {
  SymbolOwners owners;
  return Verifier{graph, owners}.run();
}

}  // namespace lathe
