// SPDX-License-Identifier: Apache-2.0
#pragma once
// The functions of a model, by domain, name and overload. Before anything is inlined, the size of
// every call is counted, so that functions that call themselves or double at each level are
// refused at once.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "base/status.h"

namespace lathe_onnx {
class FunctionProto;
class ModelProto;
class NodeProto;
class OperatorSetIdProto;
}  // namespace lathe_onnx

namespace lathe {

using Opsets = std::map<std::string, int64_t, std::less<>>;  // version by domain; "" for ai.onnx

constexpr int kMaxCallDepth = 64;
constexpr int64_t kMaxInlinedNodes = int64_t{1} << 20;

std::string_view canonical_domain(std::string_view domain);  // "ai.onnx" is ""

template <class List>
Result<Opsets> read_opsets(const List& imports) {
  Opsets out;
  for (const auto& item : imports) {
    std::string domain(canonical_domain(item.domain()));
    auto [it, added] = out.emplace(std::move(domain), item.version());
    if (!added && it->second != item.version()) {
      return invalid("the opset of domain '{}' is given twice: {} and {}", it->first, it->second,
                     item.version());
    }
  }
  return out;
}

class FunctionTable {
 public:
  Status fill(const lathe_onnx::ModelProto& model);
  // Null: no such function.
  const lathe_onnx::FunctionProto* find(const lathe_onnx::NodeProto& node) const;

 private:
  using Key = std::tuple<std::string_view, std::string_view, std::string_view>;
  struct Entry {
    const lathe_onnx::FunctionProto* function;
    int64_t nodes = 0;  // after inlining; 0: not counted yet, -1: being counted
  };
  Result<int64_t> count(Entry& entry, int depth);
  template <class Nodes>
  Result<int64_t> count_nodes(const Nodes& nodes, int depth);

  std::map<Key, Entry> entries_;
};

}  // namespace lathe
