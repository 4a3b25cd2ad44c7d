// SPDX-License-Identifier: Apache-2.0
#pragma once
// The order in which the nodes of a graph can run. ONNX demands that files have it; some do not.
#include <functional>
#include <span>
#include <vector>

#include "base/status.h"

namespace lathe_onnx {
class GraphProto;
}

namespace lathe {

// Nodes 0 .. nodes - 1, each after the producers of its operands; beginning with each of `first` in
// turn, so that what is in order keeps it. `in_cycle`: a node that needs its own result, or -1.
struct DepthFirst {
  std::vector<int> order;
  int in_cycle = -1;
};
// `producer`: of operand k of a node, -1: none. Without recursion: models may be deep.
DepthFirst depth_first(size_t nodes, std::span<const int> first,
                       const std::function<size_t(int node)>& operands,
                       const std::function<int(int node, size_t k)>& producer);

// Indices of nodes, each after the producers of its operands; a file in order keeps its order.
// A cycle is an error that names a node in it.
Result<std::vector<int>> node_order(const lathe_onnx::GraphProto& graph);

}  // namespace lathe
