// SPDX-License-Identifier: Apache-2.0
#include "onnx/node_order.h"

#include <string_view>
#include <unordered_map>

#include "onnx/names.h"
#include "onnx/onnx.pb.h"

namespace lathe {
namespace {

// A node on the way, and the operand that is looked at next.
struct Frame {
  int node;
  int operand = 0;
};

enum class Visit : char { Never, OnTheWay, Done };

}  // namespace

Result<std::vector<int>> node_order(const lathe_onnx::GraphProto& graph) {
  std::unordered_map<std::string_view, int> producer;
  for (int i = 0; i < graph.node_size(); ++i) {
    for (const std::string& name : graph.node(i).output()) {
      if (!name.empty()) producer.emplace(name, i);
    }
  }
  std::vector<Visit> visit(static_cast<size_t>(graph.node_size()), Visit::Never);
  std::vector<int> order;
  std::vector<Frame> way;
  for (int i = 0; i < graph.node_size(); ++i) {
    if (visit[static_cast<size_t>(i)] == Visit::Never) way.push_back({i});
    while (!way.empty()) {
      Frame& top = way.back();
      const auto& node = graph.node(top.node);
      visit[static_cast<size_t>(top.node)] = Visit::OnTheWay;
      if (top.operand == node.input_size()) {
        visit[static_cast<size_t>(top.node)] = Visit::Done;
        order.push_back(top.node);
        way.pop_back();
        continue;
      }
      auto it = producer.find(node.input(top.operand++));
      if (it == producer.end() || visit[static_cast<size_t>(it->second)] == Visit::Done) continue;
      if (visit[static_cast<size_t>(it->second)] == Visit::OnTheWay) {
        return invalid("node '{}' ({}) needs its own result: the graph has a cycle",
                       printable(node.name()), printable(node.op_type()));
      }
      way.push_back({it->second});
    }
  }
  return order;
}

}  // namespace lathe
