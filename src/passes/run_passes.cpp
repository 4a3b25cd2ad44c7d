// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "passes/pass.h"

namespace lathe {

#define PASS(name) const Pass& pass_##name();
#include "passes/pipeline.def"
#undef PASS

std::span<const Pass* const> pipeline() {
  static const std::array passes = {
#define PASS(name) &pass_##name(),
#include "passes/pipeline.def"
#undef PASS
  };
  return passes;
}

const Pass* find_pass(std::string_view name) {
  for (const Pass* pass : pipeline()) {
    if (pass->name == name) return pass;
  }
  return nullptr;
}

namespace {

Status check_names(const PassOptions& options) {
  for (const std::string& name : options.disabled) {
    if (find_pass(name)) continue;
    std::string known;
    for (const Pass* pass : pipeline()) {
      if (known.find(pass->name) == known.npos) known += fmt::format(" {}", pass->name);
    }
    return not_found("there is no pass '{}'", name).with_cure("the passes are:" + known);
  }
  return {};
}

// A region sees nothing around it: a pass runs in it as in any graph.
Result<bool> run_everywhere(const Pass& pass, Graph& graph, const PassOptions& options) {
  bool changed = false;
  for (Node* node : graph.nodes()) {
    for (auto& region : node->regions) {
      if (LATHE_TRY(run_everywhere(pass, *region, options))) changed = true;
    }
  }
  if (LATHE_TRY(pass.run(graph, options))) changed = true;
  return changed;
}

Status after_change(Graph& graph, const PassOptions& options) {
  LATHE_TRY(verify(graph));
  if (!options.text_roundtrip) return {};
  const std::string text = to_string(graph);
  Graph again = LATHE_TRY(parse_graph(text));
  if (to_string(again) != text) return internal("the graph's text does not read back to itself");
  graph = std::move(again);
  return verify(graph);
}

}  // namespace

Status run_passes(Graph& graph, const PassOptions& options) {
  LATHE_TRY(check_names(options));
  int dumped = 0;
  bool changed = true;
  for (int round = 0; changed && round < options.max_rounds; ++round) {
    changed = false;
    for (const Pass* pass : pipeline()) {
      if (std::count(options.disabled.begin(), options.disabled.end(), pass->name)) continue;
      if (options.proceed) LATHE_TRY(options.proceed(pass->name));
      Result<bool> result = run_everywhere(*pass, graph, options);
      const std::string where = fmt::format("pass {}", pass->name);
      if (!result.ok()) return std::move(result).status().at(where);
      if (!*result) continue;
      changed = true;
      if (Status s = after_change(graph, options); !s.ok()) return std::move(s).at(where);
      if (options.dump) options.dump(++dumped, pass->name, to_string(graph, false));
    }
  }
  return {};
}

}  // namespace lathe
