// SPDX-License-Identifier: Apache-2.0
#include "graph/rewriter.h"
#include "passes/pass.h"

namespace lathe {
namespace {

Result<bool> run_drop_dead_nodes(Graph& graph, const PassOptions&) {
  return Rewriter(graph).erase_dead();
}

}  // namespace

const Pass& pass_drop_dead_nodes() {
  static constexpr Pass pass{.name = "drop_dead_nodes",
                             .doc = "Nodes whose outputs nobody reads go, transitively.",
                             .run = run_drop_dead_nodes};
  return pass;
}

}  // namespace lathe
