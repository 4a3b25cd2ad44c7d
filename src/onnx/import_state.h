// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the importer keeps while it lowers a model: the graph under construction, and for each node
// its operands and attributes. Only the files of src/onnx itself include this; importers see
// NodeImport.
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "graph/graph.h"
#include "onnx/attribute.h"

namespace lathe {

class Budget;
class NodeGraphs;

struct ImportState {
  explicit ImportState(Budget& b) : budget(b) {}

  Graph graph;
  Budget& budget;
  std::unordered_map<std::string, Expr> expressions;  // parsed texts: importers repeat a few
  std::unordered_set<const std::byte*> charged;       // tensors: graphs inside nodes share them
  int named_nodes = 0;                                // of control flow, for their symbols

  // Every node and every byte of the graph comes in through these two.
  Result<Node*> append(std::string_view op, std::vector<Value*> operands, Attrs attrs,
                       std::string_view node_name,
                       std::vector<std::unique_ptr<Graph>> regions = {});
  Result<Value*> constant(HostTensor tensor, std::string_view name);
};

// The tensor, where the few small nodes that lead to the value can be run by their references now.
std::optional<HostTensor> fold_value(const Value* value);

struct NodeState {
  ImportState& import;
  std::string type, name;  // printable
  int opset = 0;
  std::vector<Value*> operands;
  std::vector<bool> wanted;  // by output
  const AttributeMap& attributes;
  NodeGraphs* graphs = nullptr;  // inside the node; null: there can be none
  std::vector<Value*> results;   // by output, null until set
  Status bad_attribute;
  std::set<std::string, std::less<>> asked_for;  // names of attributes, there or not
};

}  // namespace lathe
