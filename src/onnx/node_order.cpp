// SPDX-License-Identifier: Apache-2.0
#include "onnx/node_order.h"

#include <numeric>
#include <string_view>
#include <unordered_map>

#include "onnx/names.h"
#include "onnx/onnx.pb.h"

namespace lathe {
namespace {

// A node on the way, and the operand that is looked at next.
struct Frame {
  int node;
  size_t operand = 0;
};

enum class Visit : char { Never, OnTheWay, Done };

}  // namespace

DepthFirst depth_first(size_t nodes, std::span<const int> first,
                       const std::function<size_t(int node)>& operands,
                       const std::function<int(int node, size_t k)>& producer) {
  std::vector<Visit> visit(nodes, Visit::Never);
  DepthFirst result;
  std::vector<Frame> way;
  for (int begin : first) {
    if (visit[static_cast<size_t>(begin)] == Visit::Never) way.push_back({begin});
    while (!way.empty()) {
      Frame& top = way.back();
      visit[static_cast<size_t>(top.node)] = Visit::OnTheWay;
      if (top.operand == operands(top.node)) {
        visit[static_cast<size_t>(top.node)] = Visit::Done;
        result.order.push_back(top.node);
        way.pop_back();
        continue;
      }
      const int before = producer(top.node, top.operand++);
      if (before < 0 || visit[static_cast<size_t>(before)] == Visit::Done) continue;
      if (visit[static_cast<size_t>(before)] == Visit::OnTheWay) {
        result.in_cycle = top.node;
        return result;
      }
      way.push_back({before});
    }
  }
  return result;
}

Result<std::vector<int>> node_order(const lathe_onnx::GraphProto& graph) {
  std::unordered_map<std::string_view, int> producer;
  for (int i = 0; i < graph.node_size(); ++i) {
    for (const std::string& name : graph.node(i).output()) {
      if (!name.empty()) producer.emplace(name, i);
    }
  }
  std::vector<int> as_written(static_cast<size_t>(graph.node_size()));
  std::iota(as_written.begin(), as_written.end(), 0);
  DepthFirst sorted = depth_first(
      as_written.size(), as_written,
      [&](int n) { return static_cast<size_t>(graph.node(n).input_size()); },
      [&](int n, size_t k) {
        auto it = producer.find(graph.node(n).input(static_cast<int>(k)));
        return it == producer.end() ? -1 : it->second;
      });
  if (sorted.in_cycle < 0) return std::move(sorted.order);
  const auto& node = graph.node(sorted.in_cycle);
  return invalid("node '{}' ({}) needs its own result: the graph has a cycle",
                 printable(node.name()), printable(node.op_type()));
}

}  // namespace lathe
