// SPDX-License-Identifier: Apache-2.0
// slice_gathers: a Gather whose constant indices follow each other is a Slice, which is a view or
// close to one, and which other passes understand.
#include "passes/match.h"
#include "passes/pass.h"

namespace lathe {
namespace {

// The first index, when indices are start, start + 1, ...
std::optional<int64_t> run_start(const HostTensor& indices, int64_t extent) {
  if (!is_int(indices.dtype()) || indices.elements() == 0) return {};
  int64_t start = indices.get_i64(0);
  if (start < 0) start += extent;
  if (start < 0 || start + indices.elements() > extent) return {};
  for (int64_t k = 1; k < indices.elements(); ++k) {
    const int64_t index = indices.get_i64(k);
    if ((index < 0 ? index + extent : index) != start + k) return {};
  }
  return start;
}

Status slice_gather(Rewriter& rw, Node* n) {
  if (!n->is("Gather") || is_dead(*n) || n->in(0)->constant()) return {};
  const HostTensor* indices = n->in(1)->constant();
  const Shape& x = n->in(0)->type.shape;
  Result<int> axis = normalize_axis(n->op.attrs.i("axis"), x.rank());
  if (!indices || !axis.ok() || !x[*axis].is_constant()) return {};
  const std::optional<int64_t> start = run_start(*indices, x[*axis].value());
  if (!start) return {};
  rw.before(n);
  Attrs attrs = slice_attrs(*axis, *start, indices->elements());
  Value* v = LATHE_TRY(rw.add("Slice", {n->in(0)}, std::move(attrs), n->name));
  const Shape& y = n->out()->type.shape;
  if (v->type.shape != y) {
    Dims shape(y.begin(), y.end());
    v = LATHE_TRY(rw.add("Reshape", {v}, Attrs().set("shape", std::move(shape)), n->name));
  }
  rw.replace(n->out(), v);
  return {};
}

Result<bool> run_slice_gathers(Graph& graph, const PassOptions&) {
  Rewriter rw(graph);
  for (Node* n : graph.nodes()) LATHE_TRY(slice_gather(rw, n));
  if (rw.changes() > 0) rw.erase_dead();
  return rw.changes() > 0;
}

}  // namespace

const Pass& pass_slice_gathers() {
  static constexpr Pass pass{.name = "slice_gathers",
                             .doc = "A Gather of consecutive constant indices becomes a Slice.",
                             .run = run_slice_gathers};
  return pass;
}

}  // namespace lathe
