// SPDX-License-Identifier: Apache-2.0
#include "onnx/node_order.h"

#include <numeric>
#include <set>
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

using Names = std::vector<std::string_view>;

// What the graph's nodes read, and what they define; those of graphs within them, too.
void collect_names(const lathe_onnx::GraphProto& graph, Names& reads,
                   std::set<std::string_view>& defined) {
  for (const auto& tensor : graph.initializer()) defined.insert(tensor.name());
  for (const auto& output : graph.output()) reads.emplace_back(output.name());
  for (const auto& node : graph.node()) {
    reads.insert(reads.end(), node.input().begin(), node.input().end());
    defined.insert(node.output().begin(), node.output().end());
    for (const auto& a : node.attribute()) {
      if (a.has_g()) collect_names(a.g(), reads, defined);
    }
  }
}

// The node's inputs, and what its graphs read from outside.
Names reads_of(const lathe_onnx::NodeProto& node) {
  Names reads;
  std::set<std::string_view> inside;
  for (const auto& a : node.attribute()) {
    if (a.has_g()) collect_names(a.g(), reads, inside);
  }
  std::erase_if(reads, [&](std::string_view name) { return inside.contains(name); });
  reads.insert(reads.end(), node.input().begin(), node.input().end());
  return reads;
}

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
  std::vector<Names> reads;
  for (const auto& node : graph.node()) reads.push_back(reads_of(node));
  std::vector<int> as_written(static_cast<size_t>(graph.node_size()));
  std::iota(as_written.begin(), as_written.end(), 0);
  DepthFirst sorted = depth_first(
      as_written.size(), as_written, [&](int n) { return reads[static_cast<size_t>(n)].size(); },
      [&](int n, size_t k) {
        auto it = producer.find(reads[static_cast<size_t>(n)][k]);
        return it == producer.end() ? -1 : it->second;
      });
  if (sorted.in_cycle < 0) return std::move(sorted.order);
  const auto& node = graph.node(sorted.in_cycle);
  return invalid("node '{}' ({}) needs its own result: the graph has a cycle",
                 printable(node.name()), printable(node.op_type()));
}

}  // namespace lathe
