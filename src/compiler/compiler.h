// SPDX-License-Identifier: Apache-2.0
#pragma once
// Graph to Plan: passes, fusion, placement, layouts, tuning, checking, emission. compile() reads
// like a page (compiler.cpp); each stage is a file of its own.
#include <string>
#include <vector>

#include "base/budget.h"
#include "custom/library.h"
#include "device/device.h"
#include "engine/plan.h"
#include "graph/graph.h"
#include "runtime/session.h"
#include "tuner/tuner.h"

namespace lathe {

struct CompileOptions {
  TunerOptions tuner;
  bool fp16 = false, bf16 = false, tf32 = false;  // types allowed beside the graph's own
  bool fuse = true;
  bool text_roundtrip = false;  // for tests: re-parse after each pass
  std::vector<std::string> disabled_passes;
  std::vector<SymbolRange> symbols;  // by name; others: any size, tuned at 1
  std::string dump_dir;              // --dump-passes
  std::string model_name;
  PluginLibraries plugins;  // loaded: what Custom steps may need
};

// Called often while building, from the caller's thread; false cancels.
struct Progress {
  bool (*report)(void* user, const char* phase, double done) = nullptr;  // done in [0, 1]
  void* user = nullptr;
  Budget* budget = nullptr;  // of the whole build; null: no limits
  // Cancelled when the callback says so, InvalidInput when the budget's time is over.
  Status tick(const char* phase, double done) const;
};

struct CompileDevices {
  Device* main = nullptr;
  Device* host = nullptr;
  KernelCompiler* kernels = nullptr;  // null without a GPU
};

// The passes, which compile() begins with.
Status optimize(Graph& graph, const CompileOptions& options, const Progress& progress);
// The nodes that hold graphs, which no plan has steps for: "node 'decoder' (Loop)".
std::vector<std::string> control_flow(const Graph& graph);

struct CompileResult {
  Plan plan;
  // Opened of the plan to certify it: whoever opens the plan may share its packed weights. Null
  // where nothing was certified.
  std::shared_ptr<LoadedEngine> certified;
};

Result<CompileResult> compile(Graph graph, const CompileDevices& devices, TimingCache& cache,
                              const CompileOptions& options, const Progress& progress);

}  // namespace lathe
