// SPDX-License-Identifier: Apache-2.0
// Building: everything that needs the compiler.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "api/api_state.h"
#include "api/model_state.h"
#include "backends/cuda/compile/nvrtc_compiler.h"
#include "base/file.h"
#include "base/log.h"
#include "base/parallel.h"
#include "compiler/compiler.h"
#include "custom/operators.h"
#include "engine/format.h"
#include "engine/plugins.h"

namespace lathe {

namespace {

// What a whole build may cost.
BudgetLimits build_limits(const BuildOptions& options) {
  BudgetLimits l = model_limits(options.memory_budget_bytes);
  l.nodes = options.node_budget;
  l.seconds = options.seconds_budget;
  return l;
}

Status check_options(const BuildOptions& options) {
  LATHE_TRY(check_threads(options.threads));
  if (options.workspace_bytes < -1)
    return invalid("workspace: {} bytes are given, expected 0 or more, or -1 for no limit",
                   options.workspace_bytes);
  if (options.memory_budget_bytes < -1)
    return invalid(
        "memory: {} bytes are given, expected 0 or more, or -1 for half of the machine's",
        options.memory_budget_bytes);
  return {};
}

// min, opt, max of one dimension of an input from the shapes given.
struct Range {
  int64_t min, opt, max;
};

Result<std::vector<Range>> ranges_of(const std::string& input, const ShapeRange& shapes, int rank) {
  if (shapes.empty() || shapes.size() > 3) {
    return invalid(
        "input '{}': {} shapes are given, expected one, two (min, max) or three (min, opt, max)",
        input, shapes.size());
  }
  for (const auto& s : shapes) {
    if (static_cast<int>(s.size()) != rank) {
      return invalid("input '{}': a shape of rank {} is given, expected rank {}", input, s.size(),
                     rank);
    }
  }
  std::vector<Range> ranges;
  for (size_t d = 0; d < static_cast<size_t>(rank); ++d) {
    const Range r{shapes.front()[d], shapes.size() == 3 ? shapes[1][d] : shapes.back()[d],
                  shapes.back()[d]};
    if (r.min < 0 || r.min > r.opt || r.opt > r.max) {
      return invalid(
          "input '{}': dimension {} has min {}, opt {}, max {}, expected 0 <= min <= opt <= max",
          input, d, r.min, r.opt, r.max);
    }
    ranges.push_back(r);
  }
  return ranges;
}

Status add_symbol(std::vector<SymbolRange>& symbols, const std::string& input,
                  const std::string& name, const Range& r) {
  for (const SymbolRange& s : symbols) {
    if (s.name != name) continue;
    if (s.min == r.min && s.opt == r.opt && s.max == r.max) return {};
    return invalid("input '{}': symbol {} is given {} to {}, and elsewhere {} to {}", input, name,
                   r.min, r.max, s.min, s.max);
  }
  symbols.push_back({name, r.min, r.opt, r.max});
  return {};
}

// Input shapes that are fixed go into the import, ranges become ranges of symbols.
Status apply_shapes(const ModelState& model, const BuildOptions& options, LoadOptions& load,
                    std::vector<SymbolRange>& symbols) {
  for (const auto& [name, shapes] : options.shapes) {
    const auto& inputs = model.graph.inputs;
    const auto port = std::find_if(inputs.begin(), inputs.end(),
                                   [&input = name](const GraphPort& p) { return p.name == input; });
    if (port == inputs.end()) {
      std::string known;
      for (const GraphPort& p : inputs) known += (known.empty() ? "" : ", ") + p.name;
      return not_found("no input is named '{}': there are {}", name, known);
    }
    const Shape& declared = port->value->type.shape;
    const std::vector<Range> ranges = LATHE_TRY(ranges_of(name, shapes, declared.rank()));
    Shape shape = declared;
    for (int d = 0; d < declared.rank(); ++d) {
      const Range& r = ranges[static_cast<size_t>(d)];
      if (declared[d].is_constant()) {
        if (r.min != declared[d].value() || r.max != r.min) {
          const std::string given =
              r.min == r.max ? fmt::format("{}", r.min) : fmt::format("{} to {}", r.min, r.max);
          return invalid("input '{}': dimension {} is given {}, expected {}", name, d, given,
                         declared[d].value());
        }
      } else if (r.min == r.max) {
        shape[d] = r.min;
      } else {
        LATHE_TRY(add_symbol(symbols, name, declared[d].to_string(), r));
      }
    }
    load.input_shapes.emplace(name, std::move(shape));
  }
  return {};
}

std::string default_cache_path() {
  std::string folder;
  if (const char* x = std::getenv("XDG_CACHE_HOME"); x != nullptr && *x != 0) {
    folder = x;
  } else if (const char* h = std::getenv("HOME"); h != nullptr && *h != 0) {
    folder = std::string(h) + "/.cache";
  }
  if (folder.empty()) return "";
  std::error_code ignored;
  std::filesystem::create_directories(folder + "/lathe", ignored);
  return folder + "/lathe/timing.cache";
}

Status check_cache_folder(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const std::string folder = parent.empty() ? "." : parent;
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error))
    return not_found("timing cache: {}: cannot write: there is no folder {}", path, folder);
  if (::access(folder.c_str(), W_OK) == 0) return {};
  return not_found("timing cache: {}: cannot write: {}", path,
                   std::generic_category().message(errno));
}

// Where nothing can be kept, that is said before the minutes that measuring takes: an error for the
// file that the user named, unless it is there already and may know all that is asked.
Result<TimingCache> open_cache(const BuildOptions& options) {
  if (options.timing_cache == "none") return TimingCache();
  const bool named = !options.timing_cache.empty();
  const std::string path = named ? options.timing_cache : default_cache_path();
  if (path.empty()) return TimingCache();
  const Status folder = check_cache_folder(path);
  const bool there = ::access(path.c_str(), F_OK) == 0;
  if (!folder.ok() && options.tune) {
    if (named && !there) return folder;
    log_warning("{}: what is measured is not kept", folder.message());
  }
  if (!folder.ok() && !there) return TimingCache();
  Result<TimingCache> cache = TimingCache::open(path);
  if (!cache.ok()) return std::move(cache).status().at("timing cache");
  return cache;
}

// A build that took minutes is not lost with its measurements.
void save_cache(TimingCache& cache) {
  const Status saved = cache.save();
  if (!saved.ok()) log_warning("timing cache: what was measured is not kept: {}", saved.message());
}

Status apply_test_settings(const BuildOptions& options, CompileOptions& compile) {
  for (const std::string& s : options.test_settings) {
    if (s == "reference_only") {
      compile.tuner.reference_only = true;
    } else if (s == "slowest_tactic") {
      compile.tuner.slowest = true;
    } else if (s == "text_roundtrip") {
      compile.text_roundtrip = true;
    } else if (s == "engine_roundtrip" || s == "poisoned_buffers") {
      continue;  // build_engine's
    } else if (s.starts_with("random_tactic=")) {
      const std::string_view number = std::string_view(s).substr(14);
      const auto r = std::from_chars(number.data(), number.data() + number.size(),
                                     compile.tuner.random_tactic_seed);
      if (r.ec != std::errc()) return invalid("test setting '{}': expected random_tactic=SEED", s);
    } else {
      return invalid("test setting '{}' is unknown", s);
    }
  }
  return {};
}

Result<CompileOptions> compile_options(const BuildOptions& options, const Device& host) {
  CompileOptions c;
  c.tuner.tune = options.tune;
  c.tuner.verify = options.verify == VerifyMode::Off    ? Verify::Off
                   : options.verify == VerifyMode::Full ? Verify::Full
                                                        : Verify::Sample;
  if (options.workspace_bytes >= 0) c.tuner.workspace_limit = options.workspace_bytes;
  c.tuner.threads = options.threads > 0 ? options.threads : host.info().threads;
  c.fp16 = options.fp16;
  c.bf16 = options.bf16;
  c.tf32 = options.tf32;
  c.fuse = options.fuse;
  c.disabled_passes = options.disabled_passes;
  c.dump_dir = options.dump_passes_dir;
  LATHE_TRY(apply_test_settings(options, c));
  return c;
}

// TF32 is a type of products on GPUs; the device offers it, the tuner takes it where it is faster.
void allow_tf32(const BuildOptions& options, OpenDevices& devices) {
  if (!options.tf32) return;
  if (devices.gpu == nullptr) {
    log_warning("tf32 has no meaning on device '{}': products of f32 stay f32", options.device);
  } else {
    devices.gpu->allow_tf32(true);
  }
}

bool has_setting(const BuildOptions& options, std::string_view setting) {
  const auto& all = options.test_settings;
  return std::find(all.begin(), all.end(), setting) != all.end();
}

// The plan as a file holds it.
Result<Plan> through_a_file(const Plan& plan) {
  auto bytes = std::make_shared<std::vector<std::byte>>(LATHE_TRY(write_engine(plan)));
  return read_engine(*bytes, bytes);
}

Result<Graph> graph_of(const ModelState& model, const BuildOptions& options,
                       std::vector<SymbolRange>& symbols) {
  LoadOptions load;
  LATHE_TRY(apply_shapes(model, options, load, symbols));
  if (load.input_shapes.empty()) return model.graph.clone();
  return lower_model(model, load, options.memory_budget_bytes);
}

Result<Engine> build_engine(const ModelState& model, const BuildOptions& options,
                            Engine (*wrap)(std::shared_ptr<const EngineState>)) {
  const auto begin = std::chrono::steady_clock::now();
  LATHE_TRY(check_options(options));
  Budget budget(build_limits(options));
  OpenDevices devices = LATHE_TRY(open_devices(options.device, options.threads));
  allow_tf32(options, devices);
  CompileOptions compile_opts = LATHE_TRY(compile_options(options, *devices.host));
  compile_opts.model_name = model.name;
  if (model.draft.custom) compile_opts.plugins = model.draft.custom->plugins;
  Graph graph = LATHE_TRY(graph_of(model, options, compile_opts.symbols));
  TimingCache cache = LATHE_TRY(open_cache(options));
  std::unique_ptr<KernelCompiler> kernels;
  if (devices.gpu != nullptr) kernels = LATHE_TRY(cuda::make_nvrtc_compiler());
  const CompileDevices compile_devices{&devices.main(), devices.host.get(), kernels.get()};
  const Progress progress{options.progress, options.progress_user, &budget};
  auto [plan, certified] =
      LATHE_TRY(compile(std::move(graph), compile_devices, cache, compile_opts, progress));
  save_cache(cache);
  plan.nodes_in_model = model.nodes;
  if (has_setting(options, "engine_roundtrip")) {
    plan = LATHE_TRY(through_a_file(plan));
    certified.reset();
    LATHE_TRY(bind_plugins(plan, compile_opts.plugins));
  }
  auto state =
      LATHE_TRY(make_engine_state(std::move(plan), std::move(devices), nullptr, certified.get()));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  auto& made = *std::const_pointer_cast<EngineState>(state);
  made.build_seconds = took.count();
  made.poison = has_setting(options, "poisoned_buffers");
  return wrap(std::move(state));
}

}  // namespace

Result<OptimizedModel> Model::optimize(const BuildOptions& options) const {
  if (state_ == nullptr) return invalid("the model is empty: it was not loaded");
  LATHE_TRY(check_options(options));
  Budget budget(build_limits(options));
  CompileOptions compile;
  compile.fp16 = options.fp16;
  compile.bf16 = options.bf16;
  compile.disabled_passes = options.disabled_passes;
  compile.dump_dir = options.dump_passes_dir;
  Graph graph = LATHE_TRY(graph_of(*state_, options, compile.symbols));
  LATHE_TRY(lathe::optimize(graph, compile, {options.progress, options.progress_user, &budget}));
  return OptimizedModel{to_string(graph, /*full_tensors=*/false), control_flow(graph)};
}

Result<Engine> Engine::build(const Model& model, const BuildOptions& options) {
  if (model.state_ == nullptr) return invalid("the model is empty: it was not loaded");
  return build_engine(*model.state_, options, [](std::shared_ptr<const EngineState> state) {
    Engine engine;
    engine.state_ = std::move(state);
    return engine;
  });
}

}  // namespace lathe
