// SPDX-License-Identifier: Apache-2.0
#pragma once
// A model as its author wrote it: inputs, constants, nodes of ONNX's or of Lathe's operators, with
// the author's names. What an ONNX file is read into, what a person edits, and what is lowered to a
// Graph (lowering.h). A value type: copies share tensors and attributes.
//
// Values and nodes are named by index; what is removed leaves a hole, so indices stay good.
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "onnx/attribute.h"
#include "onnx/type_proto.h"
#include "ops/op.h"

namespace lathe {

struct CustomOperators;  // custom/operators.h

struct DraftValue {
  enum class Kind : uint8_t { Removed, Input, Constant, Result, GraphInput };
  Kind kind = Kind::Result;
  bool inner = false;  // of a graph inside a node
  std::string name;
  // Input: what is declared.
  DType dtype = DType::None;
  bool has_shape = false;
  Shape shape;
  // Constant: its elements, or why they cannot be read.
  HostTensor tensor;
  Status unreadable;
  // Result: of which node, and which.
  int producer = -1;
  int index = 0;
  RankClaim claim;           // what the file says of it
  std::vector<int> readers;  // nodes, one entry for each operand
};

// A graph inside a node: a branch of an If, the body of a Loop or Scan.
struct DraftGraph {
  std::string name;          // of the attribute: "then_branch"
  std::vector<int> inputs;   // values of kind GraphInput
  std::vector<int> nodes;    // in an order in which they can run; not in Draft::order
  std::vector<int> results;  // values, its own or from outside
};

struct DraftNode {
  bool removed = false;
  bool inner = false;          // of a graph inside another node
  std::string type;            // "Conv"
  const OpDef* own = nullptr;  // an operator of Lathe's own; null: of ONNX
  std::string domain;          // canonical: "" for ai.onnx
  int64_t opset = 0;           // of the domain
  int64_t onnx_opset = 0;      // of ai.onnx beside it: what a custom operator's twin is made of
  std::string name;
  std::string within;         // "node 'f' (F)" where it comes from the calls of functions
  std::vector<int> operands;  // values, -1: absent
  std::vector<int> results;   // values, -1: not wanted
  AttributeMap attributes;    // of an ONNX operator
  Attrs attrs;                // of one of Lathe's
  // Of an If, Loop or Scan; the operands from `own_operands` on are what these read from outside.
  std::vector<DraftGraph> graphs;
  size_t own_operands = 0;
  std::string where() const;  // "node 'conv1' (Conv)"
};

struct DraftPort {
  std::string name;
  int value;
  RankClaim claim = {};
};

class Draft {
 public:
  std::string name;
  SymbolTable symbols;
  std::shared_ptr<const CustomOperators> custom;  // beside ONNX's and Lathe's; null: none

  const DraftValue& value(int v) const { return values_[static_cast<size_t>(v)]; }
  DraftValue& value(int v) { return values_[static_cast<size_t>(v)]; }
  const DraftNode& node(int n) const { return nodes_[static_cast<size_t>(n)]; }
  DraftNode& node(int n) { return nodes_[static_cast<size_t>(n)]; }
  int value_count() const { return static_cast<int>(values_.size()); }  // holes included
  int node_count() const { return static_cast<int>(nodes_.size()); }
  // Nodes in an order in which they can run.
  std::span<const int> order() const { return order_; }
  std::vector<int> inputs;
  std::vector<DraftPort> outputs;

  int add_input(std::string_view name, DType dtype, bool has_shape, Shape shape);
  int add_constant(std::string_view name, HostTensor tensor);
  int add_graph_input(std::string_view name, RankClaim claim);
  // Appends, to the order or to a graph's nodes; its operands are defined before it. Results are
  // added after.
  int add_node(DraftNode node, std::vector<int>* graph = nullptr);
  int add_result(int node, size_t index, std::string_view name);
  // The operand slot k, made where it is beyond the end. Call sort() after.
  void set_operand(int node, size_t k, int value);
  // Puts the nodes in order again, as few moved as possible. A cycle is an error that names a node
  // in it, and changes nothing.
  Status sort();
  bool is_output(int value) const;
  // Nothing may read what goes. A node's graphs go with it.
  void remove_node(int node);
  void remove_value(int value);

 private:
  std::vector<DraftValue> values_;
  std::vector<DraftNode> nodes_;
  std::vector<int> order_;
};

}  // namespace lathe
