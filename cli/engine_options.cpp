// SPDX-License-Identifier: Apache-2.0
#include "engine_options.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "command.h"
#include "progress.h"
#include "show.h"

namespace lathe::cli {
namespace {

constexpr const char* kBuilding = "Building an engine from a model";

Status parse_one(std::string_view text, std::map<std::string, std::vector<int64_t>>& shapes) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return bad(fmt::format("shape '{}': expected NAME:1x3x224x224", text));
  }
  std::vector<int64_t> sizes;
  std::string_view rest = text.substr(colon + 1);
  if (rest.ends_with('x')) return bad(fmt::format("shape '{}': expected NAME:1x3x224x224", text));
  while (!rest.empty()) {
    int64_t size = 0;
    const auto r = std::from_chars(rest.data(), rest.data() + rest.size(), size);
    if (r.ec != std::errc() || size < 0)
      return bad(fmt::format("shape '{}': expected NAME:1x3x224x224", text));
    sizes.push_back(size);
    rest.remove_prefix(static_cast<size_t>(r.ptr - rest.data()));
    if (!rest.empty() && rest.front() != 'x')
      return bad(fmt::format("shape '{}': expected NAME:1x3x224x224", text));
    if (!rest.empty()) rest.remove_prefix(1);
  }
  const std::string name(text.substr(0, colon));
  if (!shapes.emplace(name, std::move(sizes)).second)
    return bad(fmt::format("shape '{}': '{}' has a shape already", text, name));
  return {};
}

}  // namespace

Status parse_shapes(const std::vector<std::string>& texts,
                    std::map<std::string, std::vector<int64_t>>& shapes) {
  for (const std::string& text : texts) {
    std::string_view rest = text;
    while (!rest.empty()) {
      const size_t comma = rest.find(',');
      if (Status s = parse_one(rest.substr(0, comma), shapes); !s.ok()) return s;
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
  }
  return {};
}

void EngineOptions::add_to(CLI::App& c, const char* what) {
  c.add_option("model", file, what)->required();
  device_ = c.add_option("--device", build.device, "cpu, cuda or cuda:N")->capture_default_str();
  c.add_option("--threads", build.threads, "CPU threads; default: what this container may use")
      ->check(in_range(0));
  c.add_option("--shapes", shapes, "input shapes: NAME:1x3x224x224,... default: any, tuned at 1");
  c.add_option("--plugin", model.plugins, "library with operators; loaded into this process");

  auto only = [&](CLI::Option* o) {
    build_only_.push_back(o->group(kBuilding));
    return o;
  };
  only(c.add_option("--min-shapes", min_shapes, "smallest shapes of dynamic inputs"));
  c.add_option("--opt-shapes", opt_shapes, "shapes to tune for")->group(kBuilding);
  only(c.add_option("--max-shapes", max_shapes, "largest shapes of dynamic inputs"));
  only(c.add_flag("--fp16", build.fp16, "allow FP16 where it is faster"));
  only(c.add_flag("--bf16", build.bf16, "allow BF16 where it is faster"));
  only(c.add_flag("--tf32", build.tf32,
                  "allow TF32 in products and convolutions where it is faster (GPU)"));
  only(c.add_option("--workspace", build.workspace_bytes,
                    "bytes of scratch memory that a step may take; default: no limit"))
      ->check(in_range(0));
  only(c.add_option("--timing-cache", build.timing_cache,
                    "file of measurements, read and added to; 'none': keep none; default: one in "
                    "the user's cache folder"));
  only(c.add_flag("--no-tune", no_tune, "choose by the cost model, measure nothing"));
  only(c.add_flag("--no-fuse", no_fuse, "every operator a step of its own"));
  only(c.add_option("--no-pass", build.disabled_passes, "leave out an optimizer pass by name"));
  only(c.add_option("--verify", verify, "check tactics against the reference: full, sample or off"))
      ->check(CLI::IsMember({"full", "sample", "off"}))
      ->capture_default_str();
  c.add_flag("--why", why, "say of each step why its tactic won and what was not fused")
      ->group(kBuilding);
  only(
      c.add_option("--dump-passes", build.dump_passes_dir, "folder for the graph after each pass"));
  only(c.add_option("--op", model.ops, "FILE.json that defines operators of the model's own"));
  only(c.add_option("--max-seconds", build.seconds_budget, "what a build may take"))
      ->check(in_range(0))
      ->capture_default_str();
  only(c.add_option("--max-nodes", build.node_budget, "largest model that is built"))
      ->check(in_range(0))
      ->capture_default_str();
  only(c.add_option("--max-memory", build.memory_budget_bytes,
                    "bytes for reading and folding; default: half of the machine's"))
      ->check(in_range(0));
  c.add_option("--test-setting", build.test_settings, "hostile settings for tests")->group("");
}

std::string EngineOptions::build_only() const {
  std::string names;
  for (const CLI::Option* o : build_only_) {
    if (o->count() > 0) names += (names.empty() ? "" : ", ") + o->get_name();
  }
  return names;
}

CLI::Validator in_range(double least, double most) {
  auto check = [=](std::string& text) -> std::string {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (!text.empty() && *end == 0 && value >= least && value <= most) return "";
    if (std::isinf(most)) return fmt::format("{} is no number of at least {}", text, least);
    return fmt::format("{} is no number from {} to {}", text, least, most);
  };
  return CLI::Validator(check, "");
}

Status EngineOptions::finish() {
  build.tune = !no_tune;
  build.fuse = !no_fuse;
  build.verify = verify == "off"    ? VerifyMode::Off
                 : verify == "full" ? VerifyMode::Full
                                    : VerifyMode::Sample;
  std::map<std::string, std::vector<int64_t>> fixed, min, opt, max;
  if (Status s = parse_shapes(shapes, fixed); !s.ok()) return s;
  if (Status s = parse_shapes(min_shapes, min); !s.ok()) return s;
  if (Status s = parse_shapes(opt_shapes, opt); !s.ok()) return s;
  if (Status s = parse_shapes(max_shapes, max); !s.ok()) return s;
  for (auto& [name, sizes] : fixed) build.shapes[name] = {sizes};
  for (auto& [name, sizes] : min) {
    if (!max.contains(name))
      return bad(fmt::format("input '{}' has --min-shapes and no --max-shapes", name));
    if (fixed.contains(name))
      return bad(fmt::format("input '{}' has --shapes and --min-shapes", name));
    build.shapes[name] = {sizes, opt.contains(name) ? opt[name] : max[name], max[name]};
  }
  for (auto& [name, sizes] : max) {
    if (!min.contains(name))
      return bad(fmt::format("input '{}' has --max-shapes and no --min-shapes", name));
  }
  for (auto& [name, sizes] : opt) {
    if (fixed.contains(name))
      return bad(fmt::format("input '{}' has --shapes and --opt-shapes", name));
    if (!min.contains(name)) build.shapes[name] = {sizes};
  }
  return {};
}

bool is_engine_file(const std::string& path) {
  std::error_code error;  // opening a pipe would wait for somebody to write
  if (!std::filesystem::is_regular_file(path, error)) return false;
  std::ifstream file(path, std::ios::binary);
  char magic[8] = {};
  file.read(magic, sizeof(magic));
  return file.gcount() == sizeof(magic) && std::memcmp(magic, "LATHEENG", sizeof(magic)) == 0;
}

void show_reasons(const Engine& engine, const EngineOptions& options) {
  if (options.why) fmt::print(stderr, "{}", reasons(engine));
}

Result<Engine> open_engine(EngineOptions& options, const ReadGiven& read) {
  if (is_engine_file(options.file)) {
    Result<Engine> engine = load_engine(options);
    if (!engine.ok() || !read) return engine;
    const Result<Shapes> given = read(engine->inputs(), engine->outputs());
    return given.ok() ? std::move(engine) : Result<Engine>(given.status());
  }
  if (Status s = options.finish(); !s.ok()) return s;
  Result<Model> model = load_model(options);
  if (!model.ok()) return std::move(model).status();
  if (read) {
    const Result<Shapes> given = read(model->inputs(), model->outputs());
    if (!given.ok()) return given.status();
    for (const auto& [name, sizes] : *given)
      options.build.shapes.try_emplace(name, ShapeRange{sizes});
  }
  return build_model(*model, options);
}

Result<Engine> build_model(const Model& model, EngineOptions& options) {
  ProgressBar bar;
  bar.attach(options.build);
  Result<Engine> engine = Engine::build(model, options.build);
  if (engine.ok() && interrupted()) return Status(Code::Cancelled, "cancelled");
  return engine;
}

Result<Model> load_model(const EngineOptions& options) {
  ModelOptions model = options.model;
  model.memory_budget_bytes = options.build.memory_budget_bytes;
  return Model::load(options.file, model);
}

Result<Engine> load_engine(const EngineOptions& options) {
  if (const std::string names = options.build_only(); !names.empty()) {
    fmt::print(stderr, "lathe: warning: {} is built already: no effect have {}\n", options.file,
               names);
  }
  const std::string device = options.device_->count() > 0 ? options.build.device : "";
  Result<Engine> engine = Engine::load(options.file, options.model.plugins, device);
  if (engine.ok() && !device.empty() && device != "cpu" && engine->device() == "cpu")
    return bad(
        fmt::format("{}: it was built for the CPU, not for device '{}'", options.file, device));
  return engine;
}

}  // namespace lathe::cli
