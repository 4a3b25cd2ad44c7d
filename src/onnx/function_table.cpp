// SPDX-License-Identifier: Apache-2.0
#include "onnx/function_table.h"

#include "onnx/names.h"
#include "onnx/onnx.pb.h"

namespace lathe {

std::string_view canonical_domain(std::string_view domain) {
  return domain == "ai.onnx" ? std::string_view() : domain;
}

template <class Nodes>
Result<int64_t> FunctionTable::count_nodes(const Nodes& nodes, int depth) {
  int64_t total = 0;
  for (const auto& node : nodes) {
    auto it = entries_.find({canonical_domain(node.domain()), node.op_type(), node.overload()});
    total += it == entries_.end() ? 1 : LATHE_TRY(count(it->second, depth + 1));
    for (const auto& a : node.attribute()) {
      if (a.has_g()) total += LATHE_TRY(count_nodes(a.g().node(), depth));
    }
    if (total > kMaxInlinedNodes) {
      return out_of_memory("the model has more than {} nodes once its functions are inlined",
                           kMaxInlinedNodes);
    }
  }
  return total;
}

Result<int64_t> FunctionTable::count(Entry& entry, int depth) {
  if (entry.nodes > 0) return entry.nodes;
  const std::string name = printable(entry.function->name());
  if (entry.nodes < 0) return invalid("function '{}' calls itself", name);
  if (depth > kMaxCallDepth) {
    return invalid("functions are nested deeper than {} at '{}'", kMaxCallDepth, name);
  }
  entry.nodes = -1;
  entry.nodes = 1 + LATHE_TRY(count_nodes(entry.function->node(), depth));
  return entry.nodes;
}

Status FunctionTable::fill(const lathe_onnx::ModelProto& model) {
  for (const auto& f : model.functions()) {
    Key key{canonical_domain(f.domain()), f.name(), f.overload()};
    if (!entries_.emplace(key, Entry{&f}).second) {
      return invalid("function '{}' is defined twice", printable(f.name()));
    }
  }
  LATHE_TRY(count_nodes(model.graph().node(), 0));
  return {};
}

const lathe_onnx::FunctionProto* FunctionTable::find(const lathe_onnx::NodeProto& node) const {
  auto it = entries_.find({canonical_domain(node.domain()), node.op_type(), node.overload()});
  return it == entries_.end() ? nullptr : it->second.function;
}

}  // namespace lathe
