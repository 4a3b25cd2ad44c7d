// SPDX-License-Identifier: Apache-2.0
#pragma once
// Walks the nodes of a parsed model in order, finds the importer of each, inlines functions.
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "onnx/function_table.h"
#include "onnx/import_state.h"
#include "onnx/load.h"

namespace lathe {

class ModelImport {
 public:
  // `model` gives up the bytes of its initializers.
  ModelImport(lathe_onnx::ModelProto& model, const ExternalData* external, Budget& budget,
              const LoadOptions& options)
      : model_(model), options_(options), state_(budget, external) {}
  Result<Graph> run();

 private:
  // The names visible to a list of nodes: the graph's, or one call of a function's.
  struct Scope {
    std::unordered_map<std::string_view, Value*> values;
    std::unordered_map<std::string_view, lathe_onnx::TensorProto*> initializers;
    std::unordered_map<std::string_view, RankClaim> claims;
    AttributeMap attributes;  // of the call, for references
    Opsets opsets;
    int depth = 0;
  };

  Status check_header();
  Status add_initializers(Scope& scope);
  Status add_inputs(Scope& scope);
  Result<Value*> fixed_input(const std::string& name, const TensorType& type,
                             const HostTensor& value);
  Status add_outputs(Scope& scope);
  Status import_node(const lathe_onnx::NodeProto& node, Scope& scope);
  Status import_operator(const lathe_onnx::NodeProto& node, Scope& scope,
                         const AttributeMap& attributes, std::vector<Value*>& results);
  Status import_call(const lathe_onnx::NodeProto& node, const lathe_onnx::FunctionProto& function,
                     Scope& scope, const AttributeMap& attributes, std::vector<Value*>& results);
  Result<Value*> lookup(std::string_view name, Scope& scope);
  Result<std::vector<Value*>> operands_of(const lathe_onnx::NodeProto& node, Scope& scope);
  Status define(std::string_view name, Value* value, Scope& scope);

  lathe_onnx::ModelProto& model_;
  const LoadOptions& options_;
  ImportState state_;
  FunctionTable functions_;
};

}  // namespace lathe
