// SPDX-License-Identifier: Apache-2.0
// merge_duplicates: of two nodes that compute the same from the same operands, the later goes.
#include <algorithm>
#include <unordered_map>

#include "passes/match.h"
#include "passes/pass.h"

namespace lathe {
namespace {

void mix(size_t& h, size_t v) { h = (h ^ v) * 0x9e3779b97f4a7c15ULL + (h >> 29); }

// Of the type and some bytes: the weights of a large model are not read whole for this. Equal
// hashes are compared in full.
size_t sampled_hash(const HostTensor& t) {
  size_t h = std::hash<std::string>()(t.type().to_string());
  const auto bytes = t.bytes();
  const size_t step = std::max<size_t>(1, bytes.size() / 64);
  for (size_t at = 0; at < bytes.size(); at += step) mix(h, static_cast<size_t>(bytes[at]));
  return h;
}

size_t hash_of(const Node& node) {
  if (node.is("Constant")) return sampled_hash(node.op.attrs.tensor("value"));
  size_t h = std::hash<const void*>()(node.op.def);
  for (const Value* v : node.operands) mix(h, std::hash<const void*>()(v));
  mix(h, std::hash<std::string>()(node.op.attrs.to_string(false)));
  return h;
}

bool equal(const Node& a, const Node& b) {
  return a.op.def == b.op.def && a.operands == b.operands && a.op.attrs == b.op.attrs;
}

Result<bool> run_merge_duplicates(Graph& graph, const PassOptions&) {
  Rewriter rw(graph);
  std::unordered_multimap<size_t, Node*> seen;
  for (Node* node : graph.nodes()) {
    if ((node->op.def->flags & (kRandom | kOpaque)) || !node->regions.empty() || is_dead(*node))
      continue;
    const size_t h = hash_of(*node);
    auto [first, last] = seen.equal_range(h);
    auto twin = std::find_if(first, last, [&](auto& entry) { return equal(*entry.second, *node); });
    if (twin == last) {
      seen.emplace(h, node);
      continue;
    }
    for (size_t k = 0; k < node->outputs.size(); ++k) {
      rw.replace(node->outputs[k], twin->second->outputs[k]);
    }
  }
  if (rw.changes() > 0) rw.erase_dead();
  return rw.changes() > 0;
}

}  // namespace

const Pass& pass_merge_duplicates() {
  static constexpr Pass pass{
      .name = "merge_duplicates",
      .doc =
          "Equal nodes over equal operands become one, equal constants too; what draws random "
          "numbers stays.",
      .run = run_merge_duplicates};
  return pass;
}

}  // namespace lathe
