// SPDX-License-Identifier: Apache-2.0
// lathe build MODEL.onnx -o FILE.engine
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
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

// Whether the engine can be written, before the minutes that building it takes.
Status check_writable(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::is_directory(path, error)) return bad(path + ": is a folder, not a file");
  const fs::path parent = fs::path(path).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  if (!fs::is_directory(folder, error)) {
    return Status(Code::NotFound, path + ": cannot write: there is no folder " + folder);
  }
  if (::access(folder.c_str(), W_OK) == 0) return {};
  return bad(path + ": cannot write to " + folder + ": " + std::strerror(errno));
}

int build_command(BuildCommandOptions& o) {
  if (is_engine_file(o.engine.file)) {
    return fail(Status(Code::InvalidInput,
                       o.engine.file + ": it is an engine already, expected an ONNX model"));
  }
  if (o.output.empty()) o.output = o.engine.file.substr(0, o.engine.file.rfind('.')) + ".engine";
  if (Status s = check_writable(o.output); !s.ok()) return fail(s);
  Result<Engine> engine = open_engine(o.engine);
  if (!engine.ok()) return fail(engine.status(), o.engine.file);
  if (Status s = engine->save(o.output); !s.ok()) return fail(s);
  if (o.json) {
    nlohmann::json j = engine_json(*engine);
    j["file"] = o.output;
    fmt::print("{}\n", j.dump(2));
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
  o->engine.add_to(*c);
  c->add_option("-o,--output", o->output,
                "engine file to write; default: the model's name with .engine");
  c->add_flag("--json", o->json, "print the result as JSON");
  c->callback([o, &exit_code] { exit_code = build_command(*o); });
}

}  // namespace lathe::cli
