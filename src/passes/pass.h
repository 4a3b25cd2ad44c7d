// SPDX-License-Identifier: Apache-2.0
#pragma once
// The optimizer: rewrites of the graph that are always right and never slower. What is a choice
// (fusing, layouts) is the compiler's, where candidates are timed.
//
//   PassOptions options{.disabled = {"join_matmuls"}};
//   LATHE_TRY(run_passes(graph, options));
//
// Adding a pass: one file src/passes/NAME.cpp that defines `const Pass& pass_NAME()`, its golden
// tests in src/passes/NAME.irtest, and one line in pipeline.def.
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace lathe {

struct PassOptions {
  std::vector<std::string> disabled = {};  // names of passes to leave out
  // Folding may grow the graph's constants by this much over what it removes.
  int64_t fold_budget_bytes = int64_t{256} << 20;
  int max_rounds = 8;           // of the whole pipeline, until nothing changes
  bool text_roundtrip = false;  // print and parse again after every pass that changed something
  // Called after each pass that changed something; `index` counts from 1.
  std::function<void(int index, std::string_view pass, const std::string& text)> dump = {};
  // Called before each pass; an error ends the run and is what it returns.
  std::function<Status(std::string_view pass)> proceed = {};
};

struct Pass {
  std::string_view name;
  std::string_view doc;  // what it rewrites, and what it must follow
  Result<bool> (*run)(Graph&, const PassOptions&) = nullptr;  // true: something changed
};

// pipeline.def as a list: top to bottom, a pass may appear twice.
std::span<const Pass* const> pipeline();
const Pass* find_pass(std::string_view name);

// The only caller of passes. The graph is verified after each pass that changed it.
Status run_passes(Graph& graph, const PassOptions& options = {});

}  // namespace lathe
