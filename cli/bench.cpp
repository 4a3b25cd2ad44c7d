// SPDX-License-Identifier: Apache-2.0
// lathe bench MODEL.onnx|FILE.engine: latency and throughput on fresh random inputs.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "command.h"
#include "engine_options.h"
#include "inputs.h"
#include "show.h"

namespace lathe::cli {
namespace {

struct BenchOptions {
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
               100 * profile.seconds[k] / total, printable(s.name.substr(0, 40)), s.tactic,
               s.config);
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

// What every stream reads, and how many threads it has.
struct Subject {
  Tensors given;
  int threads = 0;       // of a session; 0: the engine's own
  int threads_used = 0;  // what that comes to
};

// What an engine with dynamic inputs is timed at.
Status given_shapes(const BenchOptions& o, Shapes& shapes) {
  if (Status s = parse_shapes(o.engine.shapes, shapes); !s.ok()) return s;
  return parse_shapes(o.engine.opt_shapes, shapes);
}

Result<Subject> make_subject(const BenchOptions& o, const Engine& engine, Tensors given) {
  Shapes shapes;
  if (Status s = given_shapes(o, shapes); !s.ok()) return s;
  Subject subject;
  subject.given = std::move(given);
  for (const PortInfo& p : engine.inputs()) {
    if (subject.given.contains(p.name) || !shapes.contains(p.name)) continue;
    Result<Tensor> t = random_tensor(p, 1, shapes[p.name]);
    if (!t.ok()) return std::move(t).status();
    subject.given.emplace(p.name, *std::move(t));
  }
  const int hardware = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const int total = o.engine.build.threads > 0 ? o.engine.build.threads : hardware;
  subject.threads = o.streams > 1 ? std::max(1, total / o.streams) : o.engine.build.threads;
  subject.threads_used = subject.threads > 0 ? subject.threads : hardware;
  return subject;
}

struct Measured {
  std::vector<double> latencies;  // of all streams, sorted
  double runs_per_second = 0, mean = 0;
  MemoryInfo memory;
  int64_t peak_rss = 0;
};

// All streams at once, each in a thread of its own.
Result<Measured> measure(const BenchOptions& o, std::vector<Session>& sessions) {
  std::vector<Stream> streams(sessions.size());
  std::vector<std::thread> workers;
  for (size_t k = 1; k < streams.size(); ++k) {
    workers.emplace_back([&, k] { drive(sessions[k], o.warmup, o.seconds, streams[k]); });
  }
  drive(sessions[0], o.warmup, o.seconds, streams[0]);
  for (std::thread& t : workers) t.join();
  Measured m;
  for (const Stream& s : streams) {
    if (!s.status.ok()) return s.status;
    double sum = 0;
    for (double l : s.latencies) sum += l;
    m.runs_per_second += static_cast<double>(s.latencies.size()) / sum;
    m.latencies.insert(m.latencies.end(), s.latencies.begin(), s.latencies.end());
  }
  std::sort(m.latencies.begin(), m.latencies.end());
  for (double l : m.latencies) m.mean += l / static_cast<double>(m.latencies.size());
  m.memory = sessions[0].memory();
  m.peak_rss = peak_resident_bytes();
  return m;
}

std::vector<int64_t> shape_of(const Subject& subject, const PortInfo& p) {
  const auto it = subject.given.find(p.name);
  return it != subject.given.end() ? it->second.shape() : default_sizes(p, 128);
}

// The batch: what a run counts for in items per second.
int64_t items_of(const Subject& subject, const Engine& engine) {
  int64_t items = 1;
  for (const PortInfo& p : engine.inputs()) {
    const std::vector<int64_t> shape = shape_of(subject, p);
    if (!shape.empty()) items = std::max<int64_t>(1, shape[0]);
  }
  return items;
}

nlohmann::json profile_json(const Engine& engine, const Profile& profile) {
  nlohmann::json list = nlohmann::json::array();
  size_t k = 0;
  for (const StepInfo& s : engine.steps()) {
    list.push_back({{"name", s.name},
                    {"tactic", s.tactic},
                    {"config", s.config},
                    {"seconds", profile.seconds[k++]}});
  }
  return list;
}

void print_json(const Engine& engine, const Subject& subject, const Measured& m,
                const std::optional<Profile>& profile) {
  nlohmann::json sizes;
  for (const PortInfo& p : engine.inputs()) sizes[p.name] = shape_of(subject, p);
  auto ms = [&](double q) { return quantile(m.latencies, q) * 1e3; };
  const auto items = static_cast<double>(items_of(subject, engine));
  nlohmann::json j = {{"model", engine.model_name()},
                      {"device", engine.device()},
                      {"shapes", sizes},
                      {"threads", subject.threads_used},
                      {"build_s", engine.build_seconds()},
                      {"latency_ms",
                       {{"min", ms(0)},
                        {"mean", m.mean * 1e3},
                        {"median", ms(0.5)},
                        {"p90", ms(0.9)},
                        {"p95", ms(0.95)},
                        {"p99", ms(0.99)}}},
                      {"throughput", m.runs_per_second * items},
                      {"memory",
                       {{"weights", m.memory.weights},
                        {"arena", m.memory.arena},
                        {"workspace", m.memory.workspace},
                        {"peak_rss", m.peak_rss}}}};
  if (profile) j["steps"] = profile_json(engine, *profile);
  fmt::print("{}\n", json_text(j));
}

void print_text(const Engine& engine, const Subject& subject, const Measured& m) {
  auto ms = [&](double q) { return quantile(m.latencies, q) * 1e3; };
  auto mb = [](int64_t bytes) { return static_cast<double>(bytes) / 1e6; };
  const auto items = static_cast<double>(items_of(subject, engine));
  fmt::print("{} on {}, {} runs\n", printable(engine.model_name()), engine.device(),
             m.latencies.size());
  fmt::print("  latency ms   min {:.3f}  median {:.3f}  p90 {:.3f}  p99 {:.3f}\n", ms(0), ms(0.5),
             ms(0.9), ms(0.99));
  fmt::print("  throughput   {:.1f} items/s\n", m.runs_per_second * items);
  fmt::print(
      "  memory MB    weights {:.1f}  arena {:.1f} (lower bound {:.1f})  workspace {:.1f}  peak "
      "{:.1f}\n",
      mb(m.memory.weights), mb(m.memory.arena), mb(m.memory.arena_lower_bound),
      mb(m.memory.workspace), mb(m.peak_rss));
}

int bench_command(BenchOptions& o) {
  Tensors given;
  Result<Engine> engine =
      open_engine(o.engine, [&](const std::vector<PortInfo>& ports, const auto&) -> Result<Shapes> {
        Shapes shapes;
        if (Status s = given_shapes(o, shapes); !s.ok()) return s;
        Result<Tensors> tensors = load_inputs(o.inputs, ports, shapes);
        if (!tensors.ok()) return std::move(tensors).status();
        given = *std::move(tensors);
        return Shapes();
      });
  if (!engine.ok()) return fail(engine.status(), o.engine.file);
  show_reasons(*engine, o.engine);
  const Result<Subject> subject = make_subject(o, *engine, std::move(given));
  if (!subject.ok()) return fail(subject.status(), o.engine.file);
  std::vector<Session> sessions;
  for (int k = 0; k < o.streams; ++k) {
    Result<Session> s =
        open_session(*engine, subject->given, static_cast<uint64_t>(k) + 1, subject->threads);
    if (!s.ok()) return fail(s.status(), o.engine.file);
    sessions.push_back(*std::move(s));
  }
  const Result<Measured> measured = measure(o, sessions);
  if (!measured.ok()) return fail(measured.status(), o.engine.file);
  std::optional<Profile> profile;
  if (o.profile) {
    profile.emplace();
    if (Status s = profile_steps(sessions[0], *engine, 20, *profile); !s.ok())
      return fail(s, o.engine.file);
  }
  if (o.json) {
    print_json(*engine, *subject, *measured, profile);
    return kFine;
  }
  print_text(*engine, *subject, *measured);
  if (profile) print_profile(*engine, *profile);
  return kFine;
}

}  // namespace

void add_bench(CLI::App& app, int& exit_code) {
  CLI::App* c = app.add_subcommand("bench", "Measure latency, throughput and memory");
  auto o = std::make_shared<BenchOptions>();
  o->engine.add_to(*c);
  o->inputs.add_to(*c);
  c->add_option("--seconds", o->seconds, "how long to measure")
      ->check(in_range(0))
      ->capture_default_str();
  c->add_option("--warmup", o->warmup, "how long to run before")
      ->check(in_range(0))
      ->capture_default_str();
  constexpr double kMostStreams = 1024;
  c->add_option("--streams", o->streams, "sessions in parallel; they share the threads")
      ->check(in_range(1, kMostStreams))
      ->capture_default_str();
  c->add_flag("--profile", o->profile, "time of each step");
  c->add_flag("--json", o->json, "print one JSON object");
  c->footer(
      "Inputs that are not given are random; --shapes says how large those of an engine with\n"
      "dynamic inputs are. JSON has latency in ms, memory in bytes, throughput in items a "
      "second.\n\n"
      "Examples:\n"
      "  lathe bench resnet50.engine\n"
      "  lathe bench resnet50.onnx --bf16 --shapes input:8x3x224x224 --streams 2 --json\n"
      "  lathe bench bert.engine --shapes ids:1x384,mask:1x384 --profile");
  c->callback([o, &exit_code] { exit_code = bench_command(*o); });
}

}  // namespace lathe::cli
