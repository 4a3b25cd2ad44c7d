// SPDX-License-Identifier: Apache-2.0
#include "onnx/draft.h"

#include <algorithm>

#include "onnx/names.h"
#include "onnx/node_order.h"

namespace lathe {

std::string DraftNode::where() const {
  return fmt::format("{}{}node '{}' ({})", within, within.empty() ? "" : ": ", printable(name),
                     printable(type));
}

int Draft::add_input(std::string_view input, DType dtype, bool has_shape, Shape shape) {
  DraftValue v;
  v.kind = DraftValue::Kind::Input;
  v.name = input;
  v.dtype = dtype;
  v.has_shape = has_shape;
  v.shape = std::move(shape);
  values_.push_back(std::move(v));
  inputs.push_back(value_count() - 1);
  return inputs.back();
}

int Draft::add_constant(std::string_view constant, HostTensor tensor) {
  DraftValue v;
  v.kind = DraftValue::Kind::Constant;
  v.name = constant;
  v.tensor = std::move(tensor);
  values_.push_back(std::move(v));
  return value_count() - 1;
}

int Draft::add_graph_input(std::string_view input, RankClaim claim) {
  DraftValue v;
  v.kind = DraftValue::Kind::GraphInput;
  v.inner = true;
  v.name = input;
  v.claim = claim;
  values_.push_back(std::move(v));
  return value_count() - 1;
}

int Draft::add_node(DraftNode node, std::vector<int>* graph) {
  const int n = node_count();
  node.inner = graph != nullptr;
  for (int v : node.operands) {
    if (v >= 0) value(v).readers.push_back(n);
  }
  nodes_.push_back(std::move(node));
  (graph != nullptr ? *graph : order_).push_back(n);
  return n;
}

int Draft::add_result(int of, size_t index, std::string_view result) {
  DraftValue v;
  v.name = result;
  v.producer = of;
  v.index = static_cast<int>(index);
  v.inner = node(of).inner;
  values_.push_back(std::move(v));
  std::vector<int>& results = node(of).results;
  if (results.size() <= index) results.resize(index + 1, -1);
  results[index] = value_count() - 1;
  return results[index];
}

void Draft::set_operand(int n, size_t k, int v) {
  std::vector<int>& operands = node(n).operands;
  if (operands.size() <= k) operands.resize(k + 1, -1);
  if (operands[k] >= 0) {
    std::vector<int>& readers = value(operands[k]).readers;
    readers.erase(std::find(readers.begin(), readers.end(), n));
  }
  operands[k] = v;
  if (v >= 0) value(v).readers.push_back(n);
  while (!operands.empty() && operands.back() < 0) operands.pop_back();
}

bool Draft::is_output(int v) const {
  return std::any_of(outputs.begin(), outputs.end(),
                     [&](const DraftPort& p) { return p.value == v; });
}

void Draft::remove_value(int v) {
  std::erase(inputs, v);
  value(v) = DraftValue();
  value(v).kind = DraftValue::Kind::Removed;
}

void Draft::remove_node(int n) {
  for (const DraftGraph& graph : node(n).graphs) {
    for (size_t k = graph.nodes.size(); k-- > 0;) remove_node(graph.nodes[k]);
    for (int v : graph.inputs) remove_value(v);
  }
  for (size_t k = node(n).operands.size(); k-- > 0;) set_operand(n, k, -1);
  for (int v : node(n).results) {
    if (v >= 0) remove_value(v);
  }
  if (!node(n).inner) order_.erase(std::find(order_.rbegin(), order_.rend(), n).base() - 1);
  node(n) = DraftNode();
  node(n).removed = true;
}

Status Draft::sort() {
  DepthFirst sorted = depth_first(
      nodes_.size(), order_, [&](int n) { return node(n).operands.size(); },
      [&](int n, size_t k) {
        const int v = node(n).operands[k];
        return v < 0 ? -1 : value(v).producer;
      });
  if (sorted.in_cycle >= 0) {
    return invalid("{} needs its own result: the graph has a cycle", node(sorted.in_cycle).where());
  }
  order_ = std::move(sorted.order);
  return {};
}

}  // namespace lathe
