// SPDX-License-Identifier: Apache-2.0
// lathe bench MODEL.onnx|FILE.engine: latency and throughput on fresh random inputs.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "command.h"
#include "engine_options.h"
#include "inputs.h"
#include "show.h"

namespace lathe::cli {
namespace {

struct Options {
  EngineOptions engine;
  InputOptions inputs;
  double seconds = 3, warmup = 0.5;
  int streams = 1;
  bool profile = false, json = false;
};

// VmHWM: getrusage's number also counts the parent before exec.
int64_t peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::strtoll(line.c_str() + 6, nullptr, 10) * 1024;
  }
  return 0;
}

using Clock = std::chrono::steady_clock;
double since(Clock::time_point t) {
  return std::chrono::duration<double>(Clock::now() - t).count();
}

double quantile(const std::vector<double>& sorted, double q) {
  return sorted[std::min(sorted.size() - 1,
                         static_cast<size_t>(q * static_cast<double>(sorted.size())))];
}

// One stream: a session that runs until the time is over.
struct Stream {
  std::vector<double> latencies;
  Status status;
};

void drive(Session& session, double warmup, double seconds, Stream& out) {
  const auto begin = Clock::now();
  do {
    if (out.status = session.run(); !out.status.ok()) return;
  } while (since(begin) < warmup);
  const auto start = Clock::now();
  constexpr size_t kFewest = 5;
  while (since(start) < seconds || out.latencies.size() < kFewest) {
    const auto t = Clock::now();
    if (out.status = session.run(); !out.status.ok()) return;
    out.latencies.push_back(since(t));
  }
}

struct Profile {
  std::vector<double> seconds;
};

Status profile_steps(Session& session, const Engine& engine, int runs, Profile& profile) {
  profile.seconds.assign(engine.steps().size(), 0);
  for (int r = 0; r < runs; ++r) {
    Status s = session.profile(
        [](void* p, int step, double t) {
          static_cast<Profile*>(p)->seconds[static_cast<size_t>(step)] += t;
        },
        &profile);
    if (!s.ok()) return s;
  }
  for (double& s : profile.seconds) s /= runs;
  return {};
}

void print_profile(const Engine& engine, const Profile& profile) {
  double total = 0;
  for (double s : profile.seconds) total += s;
  size_t k = 0;
  fmt::print("{:>5} {:>10} {:>6}  {:<40} {}\n", "step", "us", "%", "nodes", "tactic");
  for (const StepInfo& s : engine.steps()) {
    fmt::print("{:>5} {:>10.1f} {:>6.1f}  {:<40} {} {}\n", k, profile.seconds[k] * 1e6,
               100 * profile.seconds[k] / total, s.name.substr(0, 40), s.tactic, s.config);
    ++k;
  }
}

Result<Session> open_session(const Engine& engine, const Tensors& given, uint64_t seed,
                             int threads) {
  Engine::OpenOptions options;
  options.threads = threads;
  Result<Session> session = engine.open(options);
  if (!session.ok()) return session;
  for (const PortInfo& p : engine.inputs()) {
    const auto it = given.find(p.name);
    Result<Tensor> t = it != given.end() ? Result<Tensor>(it->second)
                                         : random_tensor(p, seed, default_sizes(p, 128));
    if (!t.ok()) return std::move(t).status();
    if (Status s = session->set_input(p.name, *t); !s.ok()) return s;
  }
  return session;
}

int run(Options& o) {
  Result<Engine> engine = open_engine(o.engine);
  if (!engine.ok()) return fail(engine.status());
  // An engine with dynamic inputs is timed at --shapes.
  std::map<std::string, std::vector<int64_t>> shapes;
  if (Status s = parse_shapes(o.engine.shapes, shapes); !s.ok()) return fail(s);
  if (Status s = parse_shapes(o.engine.opt_shapes, shapes); !s.ok()) return fail(s);
  Result<Tensors> given = load_inputs(o.inputs, engine->inputs(), shapes);
  if (!given.ok()) return fail(given.status());
  for (const PortInfo& p : engine->inputs()) {
    if (given->contains(p.name) || !shapes.contains(p.name)) continue;
    Result<Tensor> t = random_tensor(p, 1, shapes[p.name]);
    if (!t.ok()) return fail(t.status());
    given->emplace(p.name, *std::move(t));
  }
  const int hardware = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const int total = o.engine.build.threads > 0 ? o.engine.build.threads : hardware;
  const int threads = o.streams > 1 ? std::max(1, total / o.streams) : o.engine.build.threads;
  std::vector<Session> sessions;
  for (int k = 0; k < o.streams; ++k) {
    Result<Session> s = open_session(*engine, *given, static_cast<uint64_t>(k) + 1, threads);
    if (!s.ok()) return fail(s.status());
    sessions.push_back(*std::move(s));
  }
  std::vector<Stream> streams(static_cast<size_t>(o.streams));
  std::vector<std::thread> workers;
  for (size_t k = 1; k < streams.size(); ++k) {
    workers.emplace_back([&, k] { drive(sessions[k], o.warmup, o.seconds, streams[k]); });
  }
  drive(sessions[0], o.warmup, o.seconds, streams[0]);
  for (std::thread& t : workers) t.join();
  std::vector<double> all;
  double per_second = 0;
  for (const Stream& s : streams) {
    if (!s.status.ok()) return fail(s.status);
    double sum = 0;
    for (double l : s.latencies) sum += l;
    per_second += static_cast<double>(s.latencies.size()) / sum;
    all.insert(all.end(), s.latencies.begin(), s.latencies.end());
  }
  std::sort(all.begin(), all.end());
  double mean = 0;
  for (double l : all) mean += l / static_cast<double>(all.size());
  int64_t items = 1;
  nlohmann::json sizes;
  for (const PortInfo& p : engine->inputs()) {
    const auto it = given->find(p.name);
    const std::vector<int64_t> shape =
        it != given->end() ? it->second.shape() : default_sizes(p, 128);
    sizes[p.name] = shape;
    if (!shape.empty()) items = std::max<int64_t>(1, shape[0]);
  }
  const MemoryInfo memory = sessions[0].memory();
  const int64_t peak_rss = peak_resident_bytes();
  auto ms = [](double s) { return s * 1e3; };
  if (o.json) {
    nlohmann::json j = {{"model", engine->model_name()},
                        {"device", engine->device()},
                        {"shapes", sizes},
                        {"threads", threads > 0 ? threads : hardware},
                        {"build_s", engine->build_seconds()},
                        {"latency_ms",
                         {{"min", ms(all.front())},
                          {"mean", ms(mean)},
                          {"median", ms(quantile(all, 0.5))},
                          {"p90", ms(quantile(all, 0.9))},
                          {"p95", ms(quantile(all, 0.95))},
                          {"p99", ms(quantile(all, 0.99))}}},
                        {"throughput", per_second * static_cast<double>(items)},
                        {"memory",
                         {{"weights", memory.weights},
                          {"arena", memory.arena},
                          {"workspace", memory.workspace},
                          {"peak_rss", peak_rss}}}};
    fmt::print("{}\n", j.dump(2));
  } else {
    fmt::print("{} on {}, {} runs\n", engine->model_name(), engine->device(), all.size());
    fmt::print("  latency ms   min {:.3f}  median {:.3f}  p90 {:.3f}  p99 {:.3f}\n",
               ms(all.front()), ms(quantile(all, 0.5)), ms(quantile(all, 0.9)),
               ms(quantile(all, 0.99)));
    fmt::print("  throughput   {:.1f} items/s\n", per_second * static_cast<double>(items));
    fmt::print(
        "  memory MB    weights {:.1f}  arena {:.1f} (lower bound {:.1f})  workspace {:.1f}  peak "
        "{:.1f}\n",
        static_cast<double>(memory.weights) / 1e6, static_cast<double>(memory.arena) / 1e6,
        static_cast<double>(memory.arena_lower_bound) / 1e6,
        static_cast<double>(memory.workspace) / 1e6, static_cast<double>(peak_rss) / 1e6);
  }
  if (o.profile) {
    Profile profile;
    if (Status s = profile_steps(sessions[0], *engine, 20, profile); !s.ok()) return fail(s);
    print_profile(*engine, profile);
  }
  return kFine;
}

}  // namespace

void add_bench(CLI::App& app, int& exit_code) {
  CLI::App* c = app.add_subcommand("bench", "Measure latency, throughput and memory");
  auto o = std::make_shared<Options>();
  o->engine.add_to(*c);
  o->inputs.add_to(*c);
  c->add_option("--seconds", o->seconds, "how long to measure")->capture_default_str();
  c->add_option("--warmup", o->warmup, "how long to run before")->capture_default_str();
  c->add_option("--streams", o->streams, "sessions in parallel; they share the threads")
      ->check(CLI::PositiveNumber);
  c->add_flag("--profile", o->profile, "time of each step");
  c->add_flag("--json", o->json, "print one JSON object");
  c->callback([o, &exit_code] { exit_code = run(*o); });
}

}  // namespace lathe::cli
