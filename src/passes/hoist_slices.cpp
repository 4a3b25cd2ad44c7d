// SPDX-License-Identifier: Apache-2.0
// hoist_slices: parts taken of a tensor that was only just rearranged are taken before, so that
// each part is rearranged on its way to its reader, together with what its reader does to it.
//   Slice(Transpose(Reshape(x)))  ->  Reshape(Transpose(Reshape(Slice(x))))
#include <algorithm>
#include <set>

#include "passes/match.h"
#include "passes/movement.h"
#include "passes/pass.h"

namespace lathe {
namespace {

bool is_simple_slice(const Node* n) {
  return n->is("Slice") && n->op.attrs.ints("axes").size() == 1 &&
         n->op.attrs.ints("steps")[0] == 1;
}

// Slices of one axis that together read no element twice: the rearranged parts are not more than
// the rearranged whole was.
bool are_disjoint(const std::vector<Node*>& slices) {
  std::set<std::pair<int64_t, int64_t>> ranges;
  const int rank = slices[0]->out()->type.rank();
  for (const Node* n : slices) {
    const Attrs& a = n->op.attrs;
    const std::optional<int64_t> start = a.dims("starts")[0].constant(),
                                 size = a.dims("sizes")[0].constant();
    Result<int> axis = normalize_axis(a.ints("axes")[0], rank);
    Result<int> first = normalize_axis(slices[0]->op.attrs.ints("axes")[0], rank);
    if (!start || !size || !axis.ok() || *axis != *first) return false;
    ranges.emplace(*start, *size);
  }
  if (ranges.size() != slices.size()) return false;
  int64_t end = 0;
  for (auto [start, size] : ranges) {
    if (start < end) return false;
    end = start + size;
  }
  return true;
}

Result<bool> hoist(Rewriter& rw, Node* slice, const std::vector<Node*>& chain) {
  const Attrs& a = slice->op.attrs;
  Value* source = chain.front()->in(0);
  Movement m(source->type.shape);
  for (const Node* n : chain) {
    if (!follow(*n, m)) return false;
  }
  const int axis = *normalize_axis(a.ints("axes")[0], slice->out()->type.rank());
  const auto part = m.slice(axis, a.dims("starts")[0], a.dims("sizes")[0]);
  if (!part) return false;
  rw.before(slice);
  Attrs attrs = slice_attrs(part->axis, part->start, part->size);
  Value* v = LATHE_TRY(rw.add("Slice", {source}, std::move(attrs), slice->name));
  v = LATHE_TRY(add_movement(rw, v, m.plan(), slice->out()->type.shape, slice->name));
  rw.replace(slice->out(), v);
  return true;
}

Result<bool> run_hoist_slices(Graph& graph, const PassOptions&) {
  Rewriter rw(graph);
  for (Node* last : graph.nodes()) {
    if (!is_movement(last) || is_dead(*last)) continue;
    const std::vector<Node*> readers = last->out()->readers;
    if (last->out()->output_uses > 0 ||
        !std::all_of(readers.begin(), readers.end(), is_simple_slice)) {
      continue;
    }
    if (!are_disjoint(readers)) continue;
    std::vector<Node*> chain = chain_to(last->in(0));
    chain.push_back(last);
    for (Node* slice : readers) LATHE_TRY(hoist(rw, slice, chain));
  }
  if (rw.changes() > 0) rw.erase_dead();
  return rw.changes() > 0;
}

}  // namespace

const Pass& pass_hoist_slices() {
  static constexpr Pass pass{
      .name = "hoist_slices",
      .doc =
          "Disjoint slices of a tensor that was reshaped and transposed for nothing else are "
          "taken before that, and each part is rearranged by itself.",
      .run = run_hoist_slices};
  return pass;
}

}  // namespace lathe
