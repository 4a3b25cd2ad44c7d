// SPDX-License-Identifier: Apache-2.0
#include "onnx/load.h"

#include <algorithm>
#include <climits>

#include "base/budget.h"
#include "base/file.h"
#include "onnx/external_data.h"
#include "onnx/model_import.h"

namespace lathe {

Result<Graph> load_onnx(std::span<const std::byte> bytes, const ExternalData* external,
                        Budget& budget, const LoadOptions& options) {
  if (bytes.size() > INT_MAX) {
    return invalid("an ONNX file holds at most 2 GiB; larger models keep tensors in other files");
  }
  LATHE_TRY(budget.charge_bytes(static_cast<int64_t>(bytes.size())));
  lathe_onnx::ModelProto model;
  if (bytes.empty() || !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return invalid("not an ONNX model, or cut short");
  }
  if (options.file_nodes != nullptr) {
    const auto& nodes = model.graph().node();
    *options.file_nodes = static_cast<int>(
        std::count_if(nodes.begin(), nodes.end(),
                      [](const lathe_onnx::NodeProto& n) { return n.op_type() != "Constant"; }));
  }
  return ModelImport(model, external, budget, options).run();
}

Result<Graph> load_onnx_file(const std::string& path, Budget& budget, const LoadOptions& options) {
  MappedFile file = LATHE_TRY(map_file(path));
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  ExternalData external = LATHE_TRY(ExternalData::beneath(folder));
  Result<Graph> graph = load_onnx(file.bytes(), &external, budget, options);
  if (!graph.ok()) return std::move(graph).status().at(path);
  return graph;
}

}  // namespace lathe
