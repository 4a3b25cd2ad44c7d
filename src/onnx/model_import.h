// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads a parsed model into a Draft: names become indices, nodes are put in order, functions are
// inlined, attributes decoded.
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "onnx/draft.h"
#include "onnx/function_table.h"
#include "onnx/onnx.pb.h"

namespace lathe {

class ModelImport {
 public:
  // `model` gives up the bytes of its initializers.
  ModelImport(lathe_onnx::ModelProto& model, const ExternalData* external,
              std::shared_ptr<const CustomOperators> custom)
      : model_(model), external_(external) {
    draft_.custom = std::move(custom);
  }
  Result<Draft> run();

 private:
  // The names visible to a list of nodes: the model's, one call of a function's, or those of a
  // graph inside a node, which sees all around it.
  struct Scope {
    const Scope* outer = nullptr;
    std::vector<int>* nodes = nullptr;  // where nodes go; null: into the draft's order
    std::unordered_map<std::string_view, int> values;  // of the draft; -1: absent
    AttributeMap attributes;                           // of the call, for references
    Opsets opsets;
    std::string within;  // the calls on the way here
    int depth = 0;       // of calls and graphs
    int graphs = 0;      // of graphs
  };

  Status check_header();
  void reserve_names();
  Status add_initializers(Scope& scope);
  Status add_graph_initializers(const lathe_onnx::GraphProto& graph, Scope& scope);
  Status add_graph_inputs(const lathe_onnx::GraphProto& graph, Scope& scope, DraftGraph& made);
  Status add_initializer(const std::string& name, Result<HostTensor> tensor, Scope& scope);
  Status add_inputs(Scope& scope);
  Status add_outputs(Scope& scope);
  Status add_node(const lathe_onnx::NodeProto& node, Scope& scope);
  Status add_operator(const lathe_onnx::NodeProto& node, Scope& scope, AttributeMap attributes);
  Status add_call(const lathe_onnx::NodeProto& node, const lathe_onnx::FunctionProto& function,
                  Scope& scope, const AttributeMap& attributes);
  Result<DraftGraph> add_graph(const lathe_onnx::AttributeProto& attribute, const Scope& scope);
  // The graphs inside a node, and what they read from outside as its operands.
  Status add_graphs(const lathe_onnx::NodeProto& node, const Scope& scope, DraftNode& made);
  // The attributes of a node; those that refer to the enclosing function's are looked up there.
  Result<AttributeMap> attributes_of(const lathe_onnx::NodeProto& node, const Scope& scope);
  std::shared_ptr<const OnnxAttribute> decode(const lathe_onnx::AttributeProto& attribute);
  Result<int> lookup(std::string_view name, const Scope& scope) const;
  Result<std::vector<int>> operands_of(const lathe_onnx::NodeProto& node, const Scope& scope) const;
  Status define(std::string_view name, int value, Scope& scope);
  // What a value is called in the draft: the graph's own names stand, those inside functions give
  // way to them and to each other.
  std::string value_name(const std::string& name, const Scope& scope);

  lathe_onnx::ModelProto& model_;
  const ExternalData* external_;
  Draft draft_;
  FunctionTable functions_;
  std::unordered_map<std::string_view, RankClaim> claims_;  // about the graph's values
  std::unordered_map<const lathe_onnx::AttributeProto*, std::shared_ptr<const OnnxAttribute>>
      decoded_;
  std::unordered_map<const lathe_onnx::TensorProto*, Result<HostTensor>>
      tensors_;                                 // of graphs inside
  std::unordered_map<std::string, int> names_;  // of values, with how often each was asked for
};

}  // namespace lathe
