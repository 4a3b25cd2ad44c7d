// SPDX-License-Identifier: Apache-2.0
#include "onnx/import_state.h"

#include "base/budget.h"
#include "onnx/type_proto.h"

namespace lathe {

Result<Node*> ImportState::append(std::string_view op, std::vector<Value*> operands, Attrs attrs,
                                  std::string_view node_name,
                                  std::vector<std::unique_ptr<Graph>> regions) {
  LATHE_TRY(budget.charge_nodes(1));
  Node* node = LATHE_TRY(graph.append(op, std::move(operands), std::move(attrs), node_name, nullptr,
                                      std::move(regions)));
  for (const Value* v : node->outputs) {
    if (Status s = check_size(v->type.shape); !s.ok()) {
      return std::move(s).at(fmt::format("node '{}' ({})", node_name, op));
    }
  }
  return node;
}

Result<Value*> ImportState::constant(HostTensor tensor, std::string_view name) {
  if (charged.insert(tensor.bytes().data()).second)
    LATHE_TRY(budget.charge_bytes(static_cast<int64_t>(tensor.bytes().size())));
  Attrs attrs;
  attrs.set("value", std::move(tensor));
  return LATHE_TRY(append("Constant", {}, std::move(attrs), name))->out();
}

}  // namespace lathe
