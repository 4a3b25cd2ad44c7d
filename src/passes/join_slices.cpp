// SPDX-License-Identifier: Apache-2.0
// join_slices: neighbouring slices of a tensor that a Concat puts side by side again are one slice,
// or the tensor. Networks split channels so, work on one part, and join what they had with it.
//   Concat(x[0:c], x[c:2c], y)  ->  Concat(x, y)
#include "passes/match.h"
#include "passes/pass.h"

namespace lathe {
namespace {

// The operand [start, start + size) of x along the Concat's axis.
struct Part {
  Value* x;
  Dim start, size;
  std::vector<Node*> slices;
};

std::optional<Part> part_of(Value* v, int axis) {
  Node* n = v->producer;
  if (n == nullptr || !n->is("Slice")) return {};
  const Ints &axes = n->op.attrs.ints("axes"), &steps = n->op.attrs.ints("steps");
  if (axes.size() != 1 || steps[0] != 1) return {};
  Result<int> along = normalize_axis(axes[0], v->type.rank());
  if (!along.ok() || *along != axis) return {};
  return Part{n->in(0), n->op.attrs.dims("starts")[0], n->op.attrs.dims("sizes")[0], {n}};
}

bool is_whole(const Part& p, int axis) { return p.start.is(0) && p.size == p.x->type.shape[axis]; }

// Slices that others read stay, and one more beside them would be one more copy.
bool pays(const Part& p, int axis) {
  if (p.slices.size() < 2) return false;
  return is_whole(p, axis) || std::all_of(p.slices.begin(), p.slices.end(),
                                          [](const Node* n) { return n->out()->read_once(); });
}

Status join_concat(Rewriter& rw, Node* n) {
  if (!n->is("Concat") || is_dead(*n)) return {};
  const Result<int> axis = normalize_axis(n->op.attrs.i("axis"), n->out()->type.rank());
  if (!axis.ok()) return {};
  std::vector<Value*> operands;
  rw.before(n);
  bool any = false;
  for (size_t k = 0; k < n->operands.size();) {
    std::optional<Part> run = part_of(n->in(static_cast<int>(k)), *axis);
    size_t next = k + 1;
    for (; run && next < n->operands.size(); ++next) {
      const std::optional<Part> more = part_of(n->in(static_cast<int>(next)), *axis);
      if (!more || more->x != run->x || !(run->start + run->size == more->start)) break;
      run->size = run->size + more->size;
      run->slices.push_back(more->slices[0]);
    }
    if (!run || !pays(*run, *axis)) {
      for (; k < next; ++k) operands.push_back(n->in(static_cast<int>(k)));
      continue;
    }
    any = true;
    k = next;
    Attrs attrs = slice_attrs(*axis, run->start, run->size);
    operands.push_back(is_whole(*run, *axis) ? run->x
                                             : LATHE_TRY(rw.add("Slice", {run->x}, std::move(attrs),
                                                                run->slices[0]->name)));
  }
  if (!any) return {};
  Value* joined = operands[0];
  if (operands.size() > 1) {
    joined = LATHE_TRY(rw.add("Concat", operands, Attrs().set("axis", int64_t{*axis}), n->name));
  }
  rw.replace(n->out(), joined);
  return {};
}

Result<bool> run_join_slices(Graph& graph, const PassOptions&) {
  Rewriter rw(graph);
  for (Node* n : graph.nodes()) LATHE_TRY(join_concat(rw, n));
  if (rw.changes() > 0) rw.erase_dead();
  return rw.changes() > 0;
}

}  // namespace

const Pass& pass_join_slices() {
  static constexpr Pass pass{
      .name = "join_slices",
      .doc =
          "Neighbouring slices that a Concat joins again become one, or what they were cut from.",
      .run = run_join_slices};
  return pass;
}

}  // namespace lathe
