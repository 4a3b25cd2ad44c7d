// SPDX-License-Identifier: Apache-2.0
// fold_shapes: integer tensors whose contents inference knows need no computation at run time.
#include <algorithm>

#include "passes/match.h"
#include "passes/pass.h"

namespace lathe {
namespace {

bool foldable(const Value& v) {
  if (!v.contents || !v.type.shape.is_concrete()) return false;
  return is_computable(v.type.dtype) &&
         v.contents->size() == static_cast<size_t>(v.type.shape.elements());
}

bool all_constant(const Contents& contents) {
  return std::all_of(contents.begin(), contents.end(),
                     [](const Dim& d) { return d.is_constant(); });
}

// Readers whose own outputs are all known vanish too; only the others need the values.
bool really_read(const Value& v) {
  if (v.output_uses > 0) return true;
  return std::any_of(v.readers.begin(), v.readers.end(), [](const Node* reader) {
    return !std::all_of(reader->outputs.begin(), reader->outputs.end(),
                        [](const Value* out) { return foldable(*out); });
  });
}

Result<bool> run_fold_shapes(Graph& graph, const PassOptions&) {
  Rewriter rw(graph);
  for (Node* node : graph.nodes()) {
    if (node->is("Constant") || node->is("Dims")) continue;
    rw.before(node);
    for (Value* v : node->outputs) {
      if (!foldable(*v) || (v->readers.empty() && v->output_uses == 0)) continue;
      const Contents& contents = *v->contents;
      if (all_constant(contents)) {
        HostTensor t = LATHE_TRY(HostTensor::make({v->type.dtype, v->type.shape}));
        for (size_t k = 0; k < contents.size(); ++k) {
          t.set_i64(static_cast<int64_t>(k), contents[k].value());
        }
        rw.replace(v, rw.constant(std::move(t), node->name));
      } else if (is_int(v->type.dtype) && really_read(*v)) {
        Attrs attrs;
        attrs.set("values", Dims(contents)).set("shape", Ints(v->type.shape.sizes()));
        attrs.set("dtype", v->type.dtype);
        rw.replace(v, LATHE_TRY(rw.add("Dims", {}, std::move(attrs), node->name)));
      }
    }
  }
  if (rw.changes() > 0) rw.erase_dead();
  return rw.changes() > 0;
}

}  // namespace

const Pass& pass_fold_shapes() {
  static constexpr Pass pass{
      .name = "fold_shapes",
      .doc =
          "An integer tensor whose contents are known becomes a Constant, or a Dims of "
          "expressions where something other than shape arithmetic reads it.",
      .run = run_fold_shapes};
  return pass;
}

}  // namespace lathe
