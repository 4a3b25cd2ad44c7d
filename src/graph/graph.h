// SPDX-License-Identifier: Apache-2.0
#pragma once
// The graph of a model in SSA form: Values, the Nodes that define them, and regions for control
// flow. The Graph owns everything; passes hold plain pointers, which live until the graph erases
// them, and edit through a Rewriter (rewriter.h) only. Nodes are in topological order.
//
// If, Loop and Scan hold regions: graphs of their own, that see nothing around them but their
// inputs. What a region reads from outside is an operand of its node and an input of the region
// (ops/control_flow.h, ADR 0016), so that whatever is true of a graph is true of a region.
//
//   Graph g;
//   Value* x = g.add_input("x", {DType::F32, {Dim::symbol("N"), 8}});
//   Node* n = *g.append("Softmax", {x}, Attrs().set("axis", int64_t{1}));
//   g.add_output("y", n->outputs[0]);
//
// Appending infers types, known contents and constraints at once, so every value always has them.
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "ops/op.h"

namespace lathe {

struct Node;
class Graph;

// Regions in regions: deeper is refused, so that recursion over them fits any stack.
inline constexpr int kMaxRegionDepth = 32;

struct Value {
  std::string name;  // unique in its graph; the model's name where it has one
  TensorType type;
  std::optional<Contents> contents;  // known integer contents (shapes), also of constants
  Node* producer = nullptr;          // null: a graph input
  int index = 0;                     // which output of the producer
  std::vector<Node*> readers;        // one entry for each operand slot that reads this value
  int output_uses = 0;               // how many graph outputs are this value

  // The tensor when a Constant node defines this value, else null.
  const HostTensor* constant() const;
  bool read_once() const { return readers.size() + static_cast<size_t>(output_uses) == 1; }
};

struct Node {
  OpInstance op;
  std::vector<Value*> operands;  // null: absent optional operand
  std::vector<Value*> outputs;
  std::string name;  // the model's node name(s): "conv1+relu1" after fusion
  std::vector<std::unique_ptr<Graph>> regions;  // as many as OpDef::regions names

  bool is(std::string_view op_name) const { return op.def->name == op_name; }
  Value* in(size_t k) const { return k < operands.size() ? operands[k] : nullptr; }
  Value* out(size_t k = 0) const { return outputs[k]; }
  // The operands from here on are captures, the last inputs of each region.
  size_t first_capture() const;
};

struct GraphPort {
  std::string name;  // the model's name for the input or output
  Value* value;
};

class Graph {
 public:
  Graph();
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;

  std::string name;
  std::vector<GraphPort> inputs, outputs;
  std::vector<Constraint> constraints;  // each distinct one once

  Value* add_input(std::string_view name, TensorType type);
  void add_output(std::string_view name, Value* value);
  // A new node at the end (or before `before`), inferred and checked. Errors name the operator.
  Result<Node*> append(std::string_view op, std::vector<Value*> operands, Attrs attrs = {},
                       std::string_view node_name = "", Node* before = nullptr,
                       std::vector<std::unique_ptr<Graph>> regions = {});
  Value* constant(HostTensor value, std::string_view name = "", Node* before = nullptr);
  // Dropped when one of the same kind and dimensions is there.
  void add_constraint(Constraint constraint);

  // Iterate in topological order. Erasing the current node while iterating nodes() is not allowed.
  std::vector<Node*> nodes() const;
  size_t node_count() const;
  Value* find_value(std::string_view name) const;
  std::string unique_name(std::string_view stem);
  // Gives the value `name`, or a unique variation where another value has it. Appended values are
  // named "1", "2", ... until then: a name of digits alone counts as made up, and gives way.
  void rename(Value* value, std::string_view name);
  // Nodes and values copied deep, tensors shared.
  Graph clone() const;
  // Nothing reads the input.
  void erase_input(size_t k);

 private:
  friend class Rewriter;
  struct State;
  std::unique_ptr<State> state_;
};

// What inference sees of a region.
RegionType region_type(const Graph& region);

// Every invariant of the graph and of the regions in it: order, uses, types re-inferred and
// compared, names unique. The error names the node.
Status verify(const Graph& graph);

// Text that parse_graph reads back to the same graph (text.cpp):
//
//   graph mnist(%x: f32[N,1,28,28]) {
//     %w = Constant{value=f32[2] {1, 2}}()                       # f32[2]
//     %1 = Conv{group=1, ...}(%x, %w) "conv1"                    # f32[N,8,28,28]
//     return y=%1
//   }
//
// Large tensors print whole when `full_tensors`, else as f32[64,3,7,7] {hash 0123456789abcdef}.
std::string to_string(const Graph& graph, bool full_tensors = true);
Result<Graph> parse_graph(std::string_view text);

}  // namespace lathe
