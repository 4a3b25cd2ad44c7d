// SPDX-License-Identifier: Apache-2.0
#pragma once
// One node of a draft becomes nodes of the graph: by its operator's importer, or by what the user
// defined for it (import_custom.cpp).
#include <string>
#include <vector>

#include "onnx/custom_use.h"
#include "onnx/draft.h"
#include "onnx/import_state.h"

namespace lathe {

struct CustomOperators;
struct PluginOperator;

class NodeLowering {
 public:
  NodeLowering(ImportState& state, const CustomOperators* custom)
      : state_(state), custom_(custom) {}
  // An operator of ONNX or of the user; results by output, null until set. `graphs`: those inside
  // the node, null where there can be none.
  Result<std::vector<Value*>> run(const DraftNode& node, std::vector<Value*> operands,
                                  std::vector<bool> wanted, NodeGraphs* graphs = nullptr);

 private:
  using Values = std::vector<Value*>;
  Result<Values> run_custom(const DraftNode& node, const Values& operands);
  Result<Values> run_definition(const CustomDefinition& definition, const DraftNode& node,
                                const Values& operands);
  Result<Values> run_plugin(const PluginOperator& plugin, const DraftNode& node,
                            const Values& operands);
  Result<Values> run_twin(const CustomUse& use, const DraftNode& node, const Values& operands);
  Result<Values> run_composition(const CustomUse& use, const DraftNode& node,
                                 const Values& operands);
  Result<std::string> twin_text(const CustomUse& use, const DraftNode& node, const DimMap& sizes);

  ImportState& state_;
  const CustomOperators* custom_;
  bool inside_twin_ = false;  // in a graph of its own: no Custom nodes
  int depth_ = 0;             // of compositions in compositions
};

}  // namespace lathe
