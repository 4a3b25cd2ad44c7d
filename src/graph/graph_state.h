// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a Graph hides: the list of nodes, the names in use, and the bookkeeping of readers that
// Graph and Rewriter share. Only graph*.cpp, rewriter.cpp and verify.cpp include this.
#include <compare>
#include <set>
#include <tuple>
#include <unordered_map>

#include "graph/graph.h"

namespace lathe {

// Every Node of a graph is a NodeSlot: links of the list that holds the topological order.
struct NodeSlot : Node {
  NodeSlot* prev = nullptr;
  NodeSlot* next = nullptr;
  std::vector<std::unique_ptr<Value>> owned;  // its outputs
};

inline NodeSlot* slot(Node* node) { return static_cast<NodeSlot*>(node); }

struct NameHash {
  using is_transparent = void;
  size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
};
template <class T>
using NameMap = std::unordered_map<std::string, T, NameHash, std::equal_to<>>;

struct Graph::State {
  NodeSlot* head = nullptr;
  NodeSlot* tail = nullptr;
  size_t count = 0;
  std::vector<std::unique_ptr<Value>> input_values;
  NameMap<Value*> by_name;
  NameMap<int64_t> next_suffix;  // where the search for a free "stem_K" goes on
  int64_t next_number = 1;
  std::set<std::tuple<Constraint::Kind, Dim, Dim>> known_constraints;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  NodeSlot* link(std::unique_ptr<NodeSlot> node, Node* before);  // before null: at the end
  void unlink_and_delete(NodeSlot* node);
  std::string unique_name(std::string_view stem);
  void register_name(Value* value, std::string name);  // the name must be free
  Value* add_output_value(NodeSlot* node, TensorType type, std::string name);

  static void add_reader(Value* value, Node* node) {
    if (value) value->readers.push_back(node);
  }
  static void remove_reader(Value* value, Node* node);  // one of its entries
};

// Names that nobody chose: digits alone.
bool is_made_up(std::string_view name);

// The operand is a constant of the engine: what OpInstance::constant_in says.
uint64_t constant_mask(const Node& node);

}  // namespace lathe
