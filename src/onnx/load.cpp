// SPDX-License-Identifier: Apache-2.0
#include "onnx/load.h"

#include <algorithm>
#include <climits>

#include "base/budget.h"
#include "base/file.h"
#include "onnx/external_data.h"
#include "onnx/lowering.h"
#include "onnx/model_import.h"

namespace lathe {

Result<Draft> read_onnx(std::span<const std::byte> bytes, const ExternalData* external,
                        Budget& budget, int* file_nodes,
                        std::shared_ptr<const CustomOperators> custom) {
  if (bytes.size() > INT_MAX) {
    return invalid("an ONNX file holds at most 2 GiB; larger models keep tensors in other files");
  }
  LATHE_TRY(budget.charge_bytes(static_cast<int64_t>(bytes.size())));
  lathe_onnx::ModelProto model;
  if (bytes.empty() || !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return invalid("not an ONNX model, or cut short");
  }
  if (file_nodes != nullptr) {
    const auto& nodes = model.graph().node();
    *file_nodes = static_cast<int>(
        std::count_if(nodes.begin(), nodes.end(),
                      [](const lathe_onnx::NodeProto& n) { return n.op_type() != "Constant"; }));
  }
  return ModelImport(model, external, std::move(custom)).run();
}

Result<Draft> read_onnx_file(const std::string& path, Budget& budget, int* file_nodes,
                             std::shared_ptr<const CustomOperators> custom) {
  MappedFile file = LATHE_TRY(map_file(path));
  ExternalData external = LATHE_TRY(ExternalData::beneath(folder_of(path)));
  Result<Draft> draft = read_onnx(file.bytes(), &external, budget, file_nodes, std::move(custom));
  if (!draft.ok()) return std::move(draft).status().at(path);
  return draft;
}

Result<Graph> load_onnx(std::span<const std::byte> bytes, const ExternalData* external,
                        Budget& budget, const LoadOptions& options) {
  return lower(LATHE_TRY(read_onnx(bytes, external, budget, nullptr, options.custom)), budget,
               options);
}

Result<Graph> load_onnx_file(const std::string& path, Budget& budget, const LoadOptions& options) {
  const Draft draft = LATHE_TRY(read_onnx_file(path, budget, nullptr, options.custom));
  Result<Graph> graph = lower(draft, budget, options);
  if (!graph.ok()) return std::move(graph).status().at(path);
  return graph;
}

}  // namespace lathe
