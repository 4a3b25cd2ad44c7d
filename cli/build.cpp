// SPDX-License-Identifier: Apache-2.0
// lathe build MODEL.onnx -o FILE.engine
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "command.h"
#include "engine_options.h"
#include "show.h"

namespace lathe::cli {
namespace {

struct BuildCommandOptions {
  EngineOptions engine;
  std::string output;
  bool json = false;
};

std::string default_output(const std::string& model) {
  return std::filesystem::path(model).replace_extension(".engine").string();
}

int build_command(BuildCommandOptions& o) {
  if (is_engine_file(o.engine.file)) {
    return fail(Status(Code::InvalidInput,
                       o.engine.file + ": it is an engine already, expected an ONNX model"));
  }
  if (o.output.empty()) o.output = default_output(o.engine.file);
  if (Status s = check_writable(o.output); !s.ok()) return fail(s);
  std::error_code error;
  if (std::filesystem::equivalent(o.output, o.engine.file, error))
    return fail(bad(o.output + ": it is the model itself, expected another file for the engine"));
  Result<Engine> engine = open_engine(o.engine);
  if (!engine.ok()) return fail(engine.status(), o.engine.file);
  if (Status s = engine->save(o.output); !s.ok()) return fail(s);
  if (o.json) {
    nlohmann::json j = engine_json(*engine);
    j["file"] = o.output;
    fmt::print("{}\n", json_text(j));
    return kFine;
  }
  fmt::print("{}", summary(*engine));
  if (o.engine.why) fmt::print("{}", reasons(*engine));
  fmt::print("wrote {}\n", o.output);
  return kFine;
}

}  // namespace

void add_build(CLI::App& app, int& exit_code) {
  CLI::App* c = app.add_subcommand("build", "Build a tuned engine from an ONNX model");
  auto o = std::make_shared<BuildCommandOptions>();
  o->engine.add_to(*c, "MODEL.onnx");
  c->add_option("-o,--output", o->output,
                "engine file to write; default: the model's name with .engine");
  c->add_flag("--json", o->json, "print the result as JSON");
  c->footer(
      "Measures every way to run each operation, checks the fastest against a slow reference, and\n"
      "writes the engine. What was measured is kept for the next build (--timing-cache).\n\n"
      "Examples:\n"
      "  lathe build resnet50.onnx --shapes input:1x3x224x224      (writes resnet50.engine)\n"
      "  lathe build bert.onnx -o bert.engine --bf16 --min-shapes ids:1x1 --opt-shapes ids:1x128 "
      "--max-shapes ids:8x512\n"
      "  lathe build net.onnx --no-tune     in a second, chosen by the cost model");
  c->callback([o, &exit_code] { exit_code = build_command(*o); });
}

}  // namespace lathe::cli
