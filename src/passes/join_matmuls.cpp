// SPDX-License-Identifier: Apache-2.0
// join_matmuls: products of one tensor with several constant matrices (Q, K and V) are one product
// with the matrices side by side, and slices of its result. The input is read once, and one wide
// product fills a machine better than three narrow ones; the slices are views to whoever can read
// with a stride.
#include <algorithm>
#include <map>
#include <tuple>

#include "passes/affine.h"
#include "passes/match.h"
#include "passes/pass.h"

namespace lathe {
namespace {

using Key = std::tuple<const Value*, bool, bool>;  // input, transposed weights, bias

std::optional<Key> key_of(const Node& n) {
  if (!n.is("MatMul") || is_dead(n) || n.op.attrs.i("transpose_a") != 0) return {};
  const HostTensor* w = n.in(1)->constant();
  if (!w || w->shape().rank() != 2 || !is_float(w->dtype()) || !is_computable(w->dtype()))
    return {};
  if (n.in(0)->constant() || n.in(0)->type.dtype != w->dtype()) return {};
  const bool flipped = n.op.attrs.i("transpose_b") != 0;
  const HostTensor* bias = n.in(2) ? n.in(2)->constant() : nullptr;
  if (n.in(2) &&
      (!bias || bias->shape().rank() != 1 || !(bias->shape()[0] == w->shape()[flipped ? 0 : 1]))) {
    return {};
  }
  return Key{n.in(0), flipped, bias != nullptr};
}

int64_t columns(const Node& n) {
  const Shape& y = n.out()->type.shape;
  return y[y.rank() - 1].value();
}

// Constants side by side along `axis`.
Result<HostTensor> joined(std::span<const HostTensor> parts, int axis) {
  std::vector<TensorType> types;
  for (const HostTensor& t : parts) types.push_back(t.type());
  Inferred concat = LATHE_TRY(infer(*find_op("Concat"), types, Attrs().set("axis", int64_t{axis})));
  return LATHE_TRY(run_reference(concat.op, parts))[0];
}

Status join(Rewriter& rw, const std::vector<Node*>& group, bool flipped, bool biased) {
  std::vector<HostTensor> weights, biases;
  std::string name;
  for (const Node* n : group) {
    weights.push_back(*n->in(1)->constant());
    if (biased) biases.push_back(*n->in(2)->constant());
    name = joined_names(name, n->name);
  }
  rw.before(group[0]);
  Value* columns_of_all = rw.constant(LATHE_TRY(joined(weights, flipped ? 0 : 1)));
  std::vector<Value*> operands{group[0]->in(0), columns_of_all};
  if (biased) operands.push_back(rw.constant(LATHE_TRY(joined(biases, 0))));
  Value* all = LATHE_TRY(rw.add("MatMul", std::move(operands), group[0]->op.attrs, name));
  int64_t start = 0;
  for (Node* n : group) {
    Attrs attrs = slice_attrs(all->type.rank() - 1, start, columns(*n));
    rw.replace(n->out(), LATHE_TRY(rw.add("Slice", {all}, std::move(attrs), n->name)));
    start += columns(*n);
  }
  return {};
}

Result<bool> run_join_matmuls(Graph& graph, const PassOptions&) {
  Rewriter rw(graph);
  std::map<Key, size_t> index;
  std::vector<std::pair<Key, std::vector<Node*>>> groups;  // in the graph's order
  for (Node* node : graph.nodes()) {
    const std::optional<Key> key = key_of(*node);
    if (!key) continue;
    auto [it, added] = index.emplace(*key, groups.size());
    if (added) groups.push_back({*key, {}});
    groups[it->second].second.push_back(node);
  }
  for (const auto& [key, group] : groups) {
    if (group.size() > 1) LATHE_TRY(join(rw, group, std::get<1>(key), std::get<2>(key)));
  }
  if (rw.changes() > 0) rw.erase_dead();
  return rw.changes() > 0;
}

}  // namespace

const Pass& pass_join_matmuls() {
  static constexpr Pass pass{
      .name = "join_matmuls",
      .doc =
          "Products of one tensor with several constant matrices (Q, K, V) become one product "
          "and slices of its result.",
      .run = run_join_matmuls};
  return pass;
}

}  // namespace lathe
