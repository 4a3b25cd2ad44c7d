// SPDX-License-Identifier: Apache-2.0
// lathe inspect MODEL.onnx|FILE.engine [--layers]
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "command.h"
#include "engine_options.h"
#include "show.h"

namespace lathe::cli {
namespace {

struct InspectOptions {
  EngineOptions engine;
  bool layers = false, graph = false, json = false;
};

int inspect_command(InspectOptions& o) {
  Result<Engine> engine = open_engine(o.engine);
  if (!engine.ok()) return fail(engine.status(), o.engine.file);
  if (o.json) {
    fmt::print("{}\n", json_text(engine_json(*engine)));
    return kFine;
  }
  fmt::print("{}", summary(*engine));
  if (o.layers) fmt::print("{}", layers(*engine));
  if (o.engine.why) fmt::print("{}", reasons(*engine));
  if (o.graph) fmt::print("{}", engine->graph_text());
  return kFine;
}

}  // namespace

void add_inspect(CLI::App& app, int& exit_code) {
  CLI::App* c =
      app.add_subcommand("inspect", "Show inputs, outputs, steps, tactics and the certificate");
  auto o = std::make_shared<InspectOptions>();
  o->engine.add_to(*c);
  c->add_flag("--layers", o->layers, "a table of steps");
  c->add_flag("--graph", o->graph, "the optimized graph as text");
  c->add_flag("--json", o->json, "print as JSON");
  c->footer(
      "Examples:\n"
      "  lathe inspect net.engine --layers     a line for each step: tactic, time, error\n"
      "  lathe inspect net.engine --why        what else was tried, and why it lost\n"
      "  lathe inspect net.onnx --no-tune      what a build would make of a model");
  c->callback([o, &exit_code] { exit_code = inspect_command(*o); });
}

}  // namespace lathe::cli
