// SPDX-License-Identifier: Apache-2.0
// If: the branch that it takes, where the condition is known now, else a node that holds both.
#include "onnx/import_graphs.h"

namespace lathe {

Status import_if(NodeImport& n) {
  NodeGraphs& graphs = *LATHE_TRY(n.graphs());
  const DraftGraph& yes = *LATHE_TRY(graphs.find(n, "then_branch", 0, n.output_count()));
  const DraftGraph& no = *LATHE_TRY(graphs.find(n, "else_branch", 0, n.output_count()));
  Value* condition = LATHE_TRY(n.need(0, "cond"));
  std::vector<Value*> results;
  const std::optional<HostTensor> known = n.fold(condition);
  if (condition->type.dtype != DType::Bool || (known && known->elements() != 1))
    return invalid("the condition is {}, expected one bool", condition->type.to_string());
  if (known) {
    results = LATHE_TRY(graphs.in_place(known->get_i64(0) != 0 ? yes : no));
  } else {
    std::vector<std::unique_ptr<Graph>> regions;
    regions.push_back(LATHE_TRY(graphs.region(yes, {})));
    regions.push_back(LATHE_TRY(graphs.region(no, {})));
    Attrs attrs;
    attrs.set("symbols", graphs.symbols());
    results =
        LATHE_TRY(graphs.add("If", {condition}, std::move(attrs), std::move(regions)))->outputs;
  }
  for (size_t k = 0; k < results.size(); ++k) LATHE_TRY(n.result(results[k], k));
  return {};
}

}  // namespace lathe
