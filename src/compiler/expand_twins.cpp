// SPDX-License-Identifier: Apache-2.0
// Custom operators that are data, on a device that compiles no kernels: their twins in their place,
// so that these are optimized, fused and tuned like the rest of the network.
#include "base/log.h"
#include "compiler/stages.h"
#include "graph/rewriter.h"
#include "ops/program.h"
#include "ops/signature.h"

namespace lathe {
namespace {

// The values of the twin's results, its nodes standing before `node`.
Result<std::vector<Value*>> expand(Rewriter& rw, Node* node) {
  const Signature s = LATHE_TRY(Signature::parse(node->op.attrs.text("signature")));
  const Program twin =
      LATHE_TRY(Program::parse(node->op.attrs.text("twin"), static_cast<int>(s.in.size())));
  std::vector<Signature::Equality> ignored;  // the graph's constraints hold them
  const DimMap sizes = LATHE_TRY(s.match(node->op.in, &ignored));
  const auto in_graph = [&](const Dim& d) -> Result<Dim> { return d.substitute(sizes); };
  std::map<int, Value*> values;
  values[-1] = nullptr;
  for (size_t k = 0; k < node->operands.size(); ++k)
    values[static_cast<int>(k)] = node->operands[k];
  rw.before(node);
  for (const Program::Line& line : twin.lines) {
    std::vector<Value*> operands;
    for (const int v : line.in) operands.push_back(values.at(v));
    Node* made = LATHE_TRY(rw.add_node(line.def->name, std::move(operands),
                                       LATHE_TRY(with_dims(line.attrs, in_graph)), node->name));
    if (made->outputs.size() != line.out.size())
      return internal("{} has {} results", line.def->name, made->outputs.size());
    for (size_t k = 0; k < line.out.size(); ++k) values[line.out[k]] = made->outputs[k];
  }
  std::vector<Value*> results;
  for (const int v : twin.results) results.push_back(values.at(v));
  return results;
}

bool same_types(const std::vector<Value*>& results, const Node& node) {
  if (results.size() != node.outputs.size()) return false;
  for (size_t k = 0; k < results.size(); ++k) {
    if (results[k]->type != node.outputs[k]->type) return false;
  }
  return true;
}

}  // namespace

Status expand_twins(Graph& graph) {
  Rewriter rw(graph);
  for (Node* node : graph.nodes()) {
    if (!node->is("Custom") || node->op.attrs.text("twin").empty()) continue;
    const std::string where =
        fmt::format("node '{}' ({})", node->name, node->op.attrs.text("name"));
    Result<std::vector<Value*>> results = expand(rw, node);
    if (!results.ok()) return std::move(results).status().at(where);
    if (!same_types(*results, *node)) {
      log_warning("{}: sizes of the twin are not provably the signature's: it runs as it is",
                  where);
      continue;
    }
    for (size_t k = 0; k < results->size(); ++k) rw.replace(node->outputs[k], (*results)[k]);
  }
  if (rw.changes() > 0) rw.erase_dead();
  return {};
}

}  // namespace lathe
