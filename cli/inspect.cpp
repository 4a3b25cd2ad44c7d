// SPDX-License-Identifier: Apache-2.0
// lathe inspect MODEL.onnx|FILE.engine [--layers]
#include <fmt/format.h>

#include <filesystem>
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

int show_engine(const Result<Engine>& engine, const InspectOptions& o) {
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

// What can be said of a model that no engine runs so far; nothing where one may.
Result<bool> show_model(const Model& model, const InspectOptions& o) {
  if (!model.has_control_flow()) return false;
  const Result<OptimizedModel> optimized = model.optimize(o.engine.build);
  if (!optimized.ok()) return optimized.status();
  if (optimized->control_flow.empty()) return false;
  const std::string name = std::filesystem::path(o.engine.file).filename().string();
  if (o.json) {
    fmt::print("{}\n", json_text(model_json(name, model, *optimized)));
  } else {
    fmt::print("{}", summary(name, model, *optimized));
    if (o.graph) fmt::print("{}", optimized->graph);
  }
  return true;
}

int inspect_command(InspectOptions& o) {
  if (is_engine_file(o.engine.file)) return show_engine(open_engine(o.engine), o);
  if (const Status s = o.engine.finish(); !s.ok()) return fail(s, o.engine.file);
  const Result<Model> model = load_model(o.engine);
  if (!model.ok()) return fail(model.status(), o.engine.file);
  const Result<bool> shown = show_model(*model, o);
  if (!shown.ok()) return fail(shown.status(), o.engine.file);
  return *shown ? kFine : show_engine(build_model(*model, o.engine), o);
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
