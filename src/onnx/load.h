// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads an ONNX model into a Graph of Lathe's operators. The bytes are hostile until checked:
// sizes, types, names, nesting and references are verified here, and the budget is charged for
// every tensor and node. An If becomes the branch that it takes, where its condition is known now;
// otherwise If, Loop and Scan become nodes that hold graphs.
//
//   Budget budget;
//   Graph g = LATHE_TRY(load_onnx_file("model.onnx", budget));
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "base/status.h"
#include "graph/graph.h"
#include "onnx/draft.h"

namespace lathe {

class Budget;
class ExternalData;
struct CustomOperators;  // custom/operators.h

struct LoadOptions {
  // Shapes that replace what the file says of inputs, by name. Ranks must agree where both are
  // known.
  std::map<std::string, Shape> input_shapes;
  // Inputs that are constants of this build, by name: shapes, axes, counts that a model takes as
  // inputs and that must be known when it is built. They are no inputs of the graph any more.
  std::map<std::string, HostTensor> input_values;
  // Operators that the user defined, for what is read; a Draft has its own. Null: none.
  std::shared_ptr<const CustomOperators> custom = nullptr;
};

// The model as it is written. `file_nodes`, when not null, receives the number of nodes of the
// file's graph, constants not counted. `custom`: operators that stand before the file's functions
// of their names, kept in the draft; null: none.
Result<Draft> read_onnx(std::span<const std::byte> bytes, const ExternalData* external,
                        Budget& budget, int* file_nodes = nullptr,
                        std::shared_ptr<const CustomOperators> custom = nullptr);
Result<Draft> read_onnx_file(const std::string& path, Budget& budget, int* file_nodes = nullptr,
                             std::shared_ptr<const CustomOperators> custom = nullptr);

// Read and lowered (lowering.h). `external` may be null: then a model that keeps tensors in other
// files is refused.
Result<Graph> load_onnx(std::span<const std::byte> bytes, const ExternalData* external,
                        Budget& budget, const LoadOptions& options = {});
// Tensors in other files are read from the model's folder, never from outside it.
Result<Graph> load_onnx_file(const std::string& path, Budget& budget,
                             const LoadOptions& options = {});

}  // namespace lathe
