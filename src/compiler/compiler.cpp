// SPDX-License-Identifier: Apache-2.0
#include "compiler/compiler.h"

#include "base/file.h"
#include "base/log.h"
#include "base/stopwatch.h"
#include "compiler/stages.h"
#include "engine/plugins.h"
#include "passes/pass.h"

namespace lathe {

Status Progress::tick(const char* phase, double done) const {
  if (budget != nullptr) {
    Status spent = budget->check_time();
    if (!spent.ok())
      return std::move(spent)
          .at(fmt::format("building, phase {}", phase))
          .with_cure("give the build more time, or leave out what takes it: tuning, verifying");
  }
  if (report == nullptr || report(user, phase, done)) return {};
  return Status(Code::Cancelled, fmt::format("cancelled while: {}", phase));
}

// The graphs are written to --dump-passes' folder.
Status optimize(Graph& graph, const CompileOptions& options, const Progress& progress) {
  PassOptions pass_options;
  pass_options.disabled = options.disabled_passes;
  // Sums of integers that are scaled afterwards leave the range of F16, and BF16 would round them.
  if (options.fp16 || options.bf16) pass_options.disabled.emplace_back("defer_scales");
  pass_options.text_roundtrip = options.text_roundtrip;
  Status dumped;
  if (!options.dump_dir.empty()) {
    LATHE_TRY(make_folder(options.dump_dir));
    pass_options.dump = [&](int index, std::string_view pass, const std::string& text) {
      const std::string path = fmt::format("{}/{:03d}_{}.txt", options.dump_dir, index, pass);
      Status s = write_file_atomically(path, std::as_bytes(std::span(text)));
      if (dumped.ok()) dumped = std::move(s);
    };
  }
  pass_options.proceed = [&](std::string_view) { return progress.tick("passes", 0.5); };
  LATHE_TRY(run_passes(graph, pass_options));
  return dumped;
}

namespace {

using StageFunction = Status (*)(Plan&, const Stage&);

// Runs one stage; a plan that it leaves broken is our bug and names the stage.
Status run_stage(Plan& plan, const Stage& stage, const char* name, StageFunction function) {
  LATHE_TRY(stage.progress.tick(name, 0));
  LATHE_TRY(function(plan, stage));
  if (Status broken = verify(plan); !broken.ok()) {
    return internal("stage {} left a broken plan: {}", name, broken.message());
  }
  return {};
}

// Lets nothing round operands to TF32 while it lives.
class ExactProducts {
 public:
  explicit ExactProducts(Device& device) : device_(device), allowed_(device.info().tf32) {
    device_.allow_tf32(false);
  }
  ExactProducts(const ExactProducts&) = delete;
  ~ExactProducts() { device_.allow_tf32(allowed_); }

 private:
  Device& device_;
  bool allowed_;
};

// The plan without fusion or narrow types: what the finished one is compared with. Its tactics are
// right and need not be fast; --verify=full asks for the references themselves.
Result<Plan> unfused_chain(const Plan& lowered, const Stage& stage, TimingCache& cache) {
  const CompileDevices& devices = stage.devices;
  const ExactProducts exact(*devices.main);
  TunerOptions options = stage.options.tuner;
  options.tune = false;
  options.random_tactic_seed = 0;
  options.reference_only = options.reference_only || options.verify == Verify::Full;
  Tuner tuner(*devices.main, *devices.host, devices.kernels, cache, options);
  const Stage plain{devices, stage.options, tuner, stage.point, stage.progress};
  Plan plan = lowered;
  LATHE_TRY(run_stage(plan, plain, "layouts", assign_layouts));
  LATHE_TRY(run_stage(plan, plain, "views", make_views));
  LATHE_TRY(run_stage(plan, plain, "verify", choose_tactics));
  return plan;
}

// What decides over the engine beside model and device, in one line.
std::string options_text(const CompileOptions& o) {
  static constexpr const char* kVerify[] = {"off", "sample", "full"};
  std::string text = fmt::format("threads={} tune={} fuse={} verify={}", o.tuner.threads,
                                 o.tuner.tune ? "on" : "off", o.fuse ? "on" : "off",
                                 kVerify[static_cast<size_t>(o.tuner.verify)]);
  if (o.tuner.workspace_limit != INT64_MAX)
    text += fmt::format(" workspace={}", o.tuner.workspace_limit);
  for (const auto& [on, name] :
       {std::pair{o.fp16, "fp16"}, std::pair{o.bf16, "bf16"}, std::pair{o.tf32, "tf32"}}) {
    if (on) text += fmt::format(" {}", name);
  }
  for (const std::string& pass : o.disabled_passes) text += " no-pass=" + pass;
  for (const SymbolRange& s : o.symbols)
    text += fmt::format(" {}={}:{}:{}", s.name, s.min, s.opt, s.max);
  return text;
}

// Said where it matters to the choices that were made.
void warn_of_noise(Tuner::Noise noise) {
  constexpr int kFew = 10;
  if (noise.races < kFew || noise.unsettled * 4 < noise.races) return;
  log_warning(
      "other programs held the processor while Lathe tuned: {} of {} races ended without two "
      "samples alike, so that other choices may be faster; build again in a quiet moment with a "
      "timing cache of its own",
      noise.unsettled, noise.races);
}

}  // namespace

Result<CompileResult> compile(Graph graph, const CompileDevices& devices, TimingCache& cache,
                              const CompileOptions& options, const Progress& progress) {
  const auto nodes = static_cast<int>(graph.node_count());
  if (progress.budget != nullptr) LATHE_TRY(progress.budget->charge_nodes(nodes));
  LATHE_TRY(progress.tick("passes", 0));
  if (devices.main->is_host()) LATHE_TRY(expand_twins(graph));
  LATHE_TRY(optimize(graph, options, progress));
  Plan plan = LATHE_TRY(lower(graph, options));
  LATHE_TRY(bind_plugins(plan, options.plugins));
  plan.nodes_in_model = nodes;
  plan.device = devices.main->info().kind;
  plan.device_key = devices.main->info().key();
  plan.options = options_text(options);
  const Bindings point = LATHE_TRY(tuned_point(plan));
  for (SymbolRange& r : plan.symbols) r.opt = point.at(r.name);
  Tuner tuner(*devices.main, *devices.host, devices.kernels, cache, options.tuner);
  const Stage stage{devices, options, tuner, point, progress};
  const Plan lowered = plan;

  LATHE_TRY(run_stage(plan, stage, "types", narrow_types));
  LATHE_TRY(run_stage(plan, stage, "layouts", assign_layouts));
  if (options.fuse) LATHE_TRY(run_stage(plan, stage, "fuse", fuse));
  if (options.fuse) LATHE_TRY(run_stage(plan, stage, "heads", place_heads));
  LATHE_TRY(run_stage(plan, stage, "views", make_views));
  if (options.fuse) LATHE_TRY(run_stage(plan, stage, "parts", place_parts));
  explain_neighbours(plan, options.fuse);
  LATHE_TRY(run_stage(plan, stage, "tune", choose_tactics));
  warn_of_noise(tuner.noise());
  drop_unused(plan);
  const auto [tuning, checking] = tuner.spent();
  plan.tuning_seconds = tuning;
  plan.checking_seconds = checking;
  std::shared_ptr<LoadedEngine> engine;
  if (options.tuner.verify != Verify::Off) {
    engine = LATHE_TRY(open_prepared(plan, stage));
    const Stopwatch watch(plan.checking_seconds);
    const Plan chain = LATHE_TRY(unfused_chain(lowered, stage, cache));
    LATHE_TRY(progress.tick("certify", 0));
    LATHE_TRY(certify(plan, engine, chain, stage).at("certificate"));
    engine->drop_unused_packs();
  }
  plan.graph = to_string(graph, /*full_tensors=*/false);
  LATHE_TRY(progress.tick("done", 1));
  return CompileResult{std::move(plan), std::move(engine)};
}

}  // namespace lathe
