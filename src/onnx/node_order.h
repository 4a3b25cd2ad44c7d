// SPDX-License-Identifier: Apache-2.0
#pragma once
// The order in which the nodes of a graph can run. ONNX demands that files have it; some do not.
#include <vector>

#include "base/status.h"

namespace lathe_onnx {
class GraphProto;
}

namespace lathe {

// Indices of nodes, each after the producers of its operands; a file in order keeps its order.
// A cycle is an error that names a node in it.
Result<std::vector<int>> node_order(const lathe_onnx::GraphProto& graph);

}  // namespace lathe
