// SPDX-License-Identifier: Apache-2.0
#include "onnx/node_lowering.h"

#include "base/log.h"
#include "custom/operators.h"
#include "onnx/import_state.h"
#include "onnx/names.h"
#include "onnx/node_import.h"

namespace lathe {
namespace {

constexpr int64_t kOldestOpset = 6;
constexpr int64_t kNewestOpset = 1000;  // operators change by opset; unknown ones fail by name

Result<Importer> importer_of(const DraftNode& node) {
  Importer importer = node.domain.empty() ? find_importer(node.type) : nullptr;
  if (!importer) {
    return unsupported("the operator {} of domain '{}', opset {}, is not implemented",
                       printable(node.type), printable(node.domain), node.opset)
        .with_cure(
            "define it: --op FILE.json, or --plugin FILE.so; in Python ops=, plugins= "
            "(docs/custom_operators.md)");
  }
  if (node.opset < kOldestOpset || node.opset > kNewestOpset) {
    return unsupported("opset {} is not implemented; {} is the oldest", node.opset, kOldestOpset);
  }
  return importer;
}

// An attribute that the importer never asked for is of an opset that it does not know, or belongs
// to no opset: then the result may not be what the model means.
void warn_of_unread(const DraftNode& node, const NodeState& state) {
  for (const auto& [name, value] : node.attributes) {
    if (state.asked_for.contains(name)) continue;
    log_warning("{}: the attribute '{}' is not known and has no effect", node.where(),
                printable(name));
  }
}

}  // namespace

Result<std::vector<Value*>> NodeLowering::run(const DraftNode& node, std::vector<Value*> operands,
                                              std::vector<bool> wanted, NodeGraphs* graphs) {
  const bool known = node.domain.empty() && find_importer(node.type);
  if (!known && is_custom(custom_, node.domain, node.type)) return run_custom(node, operands);
  const Importer importer = LATHE_TRY(importer_of(node));
  NodeState state{.import = state_,
                  .type = printable(node.type),
                  .name = printable(node.name),
                  .opset = static_cast<int>(node.opset),
                  .operands = std::move(operands),
                  .wanted = std::move(wanted),
                  .attributes = node.attributes,
                  .graphs = graphs,
                  .results = {},
                  .bad_attribute = {},
                  .asked_for = {}};
  NodeImport n(state);
  LATHE_TRY(importer(n));
  LATHE_TRY(n.attributes());
  warn_of_unread(node, state);
  return std::move(state.results);
}

}  // namespace lathe
