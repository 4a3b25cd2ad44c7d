// SPDX-License-Identifier: Apache-2.0
#include "tuner/tuner.h"

#include <algorithm>
#include <map>

#include "base/hash.h"
#include "base/parallel.h"
#include "base/random.h"
#include "tuner/test_data.h"

namespace lathe {
namespace {

constexpr int kRounds = 9;              // times that each candidate is measured, in turns
constexpr double kRoundSeconds = 4e-4;  // at least this long a measurement
constexpr double kHopeless = 1.5;       // slower than the best by this after one round: out

uint64_t seed_of(std::string_view text) {
  return hash64({reinterpret_cast<const std::byte*>(text.data()), text.size()});
}

bool runs(const Tactic& t, const OpInstance& op) { return t.op == "*" || t.op == op.def->name; }
bool is_reference(const Tactic& t) { return t.op == "*"; }

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

// Packs of one trial; engines share theirs, a trial throws its away.
class TrialPacks : public PackCache {
 public:
  Result<std::shared_ptr<void>> get(const std::string& key,
                                    Result<std::shared_ptr<void>> (*make)(void*),
                                    void* state) override {
    auto it = packs_.find(key);
    if (it != packs_.end()) return it->second;
    std::shared_ptr<void> made = LATHE_TRY(make(state));
    packs_.emplace(key, made);
    return made;
  }

 private:
  std::map<std::string, std::shared_ptr<void>> packs_;
};

struct Candidate {
  const Tactic* tactic;
  Config config;
  std::string key;  // of the timing cache
  std::vector<std::byte> blob;
  std::unique_ptr<Prepared> prepared;
  std::vector<double> samples;
  Timing timing;
  bool known = false;  // timing came from the cache
};

// Inputs and outputs of one instance on the device.
struct Bench {
  std::vector<HostTensor> inputs;
  std::vector<std::optional<TestBuffer>> in;
  std::vector<TestBuffer> out;
  std::vector<void*> in_at, out_at;
  std::unique_ptr<Memory> workspace;

  std::vector<void*> operands(const Prepared& p, const OpInstance& op) const {
    std::vector<void*> at = in_at;
    for (size_t k = 0; k < at.size() && k < 64; ++k) {
      if (op.is_constant(static_cast<int>(k)) && ((p.plain_constants >> k) & 1) == 0)
        at[k] = nullptr;
    }
    return at;
  }
};

const std::optional<Slice>& slice_at(const std::vector<std::optional<Slice>>& slices, size_t k) {
  static const std::optional<Slice> kNone;
  return k < slices.size() ? slices[k] : kNone;
}

}  // namespace

struct Tuner::State {
  Device& device;
  Device& host;
  KernelCompiler* compiler;
  TimingCache& cache;
  TunerOptions options;
  std::unique_ptr<Stream> stream;
  std::map<std::string, Choice> chosen;
  std::map<std::string, std::vector<std::byte>> compiled;  // by source text

  Status open() {
    if (stream == nullptr) stream = LATHE_TRY(device.open_stream());
    return {};
  }
  std::string tactic_key(const OpInstance& op, const Tactic& t, const Config& c) const {
    return fmt::format("{}|{}|{}@{}|{}", device.info().key(), op.to_string(), t.name, t.version, c);
  }

  std::vector<Candidate> candidates(const OpInstance& op, std::string& declined) const;
  Status load(Candidate& c, const OpInstance& op, std::span<const HostTensor> constants,
              PackCache& packs);
  Result<Bench> make_bench(const OpInstance& op, std::span<const HostTensor> constants);
  Status ensure_workspace(Bench& bench, size_t bytes);
  Status check(Candidate& c, const OpInstance& op, Bench& bench, const Expectation& expected);
  Result<double> time(const Candidate& c, const OpInstance& op, const Bench& bench, int repeats);
  Status race(std::vector<Candidate*>& field, const OpInstance& op, Bench& bench);
  Status measure(std::vector<Candidate>& all, const OpInstance& op,
                 std::span<const HostTensor> constants);
  Result<Choice> decide(const OpInstance& op, std::span<const HostTensor> constants);
  Choice finish(Candidate& best, const std::vector<Candidate>& all,
                const std::string& declined) const;
};

std::vector<Candidate> Tuner::State::candidates(const OpInstance& op, std::string& declined) const {
  std::vector<Candidate> all;
  for (const Tactic* t : device.tactics()) {
    if (!runs(*t, op) || (options.reference_only && !is_reference(*t))) continue;
    if (Support s = t->supports(op, device.info()); !s) {
      declined += fmt::format("{}: {}; ", t->name, s.why);
      continue;
    }
    std::vector<Config> configs =
        t->configs != nullptr ? t->configs(op, device.info()) : std::vector<Config>{{}};
    for (Config& c : configs) {
      Candidate candidate{t, c, tactic_key(op, *t, c), {}, nullptr, {}, {}, false};
      if (const Timing* known = cache.find(candidate.key)) {
        candidate.timing = *known;
        candidate.known = true;
      }
      all.push_back(std::move(candidate));
    }
  }
  return all;
}

Status Tuner::State::load(Candidate& c, const OpInstance& op, std::span<const HostTensor> constants,
                          PackCache& packs) {
  if (c.tactic->source != nullptr && c.blob.empty()) {
    if (compiler == nullptr) return unsupported("no kernel compiler on this machine");
    std::string source = LATHE_TRY(c.tactic->source(op, c.config, device.info()));
    auto it = compiled.find(source);
    if (it == compiled.end()) {
      std::vector<std::byte> blob = LATHE_TRY(compiler->compile(source, device.info().sm));
      it = compiled.emplace(std::move(source), std::move(blob)).first;
    }
    c.blob = it->second;
  }
  std::vector<HostTensor> given(op.in.size());
  for (size_t k = 0; k < op.in.size() && k < constants.size(); ++k) {
    if (op.is_constant(static_cast<int>(k))) given[k] = constants[k];
  }
  std::vector<uint64_t> ids(op.in.size());
  for (size_t k = 0; k < ids.size(); ++k) ids[k] = k + 1;
  ThreadScope scope(options.threads);
  c.prepared = LATHE_TRY(c.tactic->load({op, c.config, c.blob, given, device, packs, ids}));
  if (static_cast<int64_t>(c.prepared->workspace_bytes) > options.workspace_limit) {
    return unsupported("it needs {} bytes of workspace, {} are allowed",
                       c.prepared->workspace_bytes, options.workspace_limit);
  }
  return {};
}

Result<Bench> Tuner::State::make_bench(const OpInstance& op,
                                       std::span<const HostTensor> constants) {
  LATHE_TRY(open());
  Bench b;
  b.inputs = LATHE_TRY(make_inputs(op, constants, seed_of(op.to_string())));
  for (size_t k = 0; k < op.in.size(); ++k) {
    b.in.emplace_back();
    b.in_at.push_back(nullptr);
    if (op.in[k].absent()) continue;
    b.in[k] =
        LATHE_TRY(TestBuffer::make(device, *stream, op.in[k], slice_at(op.fusion.in_slice, k)));
    LATHE_TRY(b.in[k]->write(b.inputs[k], *stream));
    b.in_at[k] = b.in[k]->data();
  }
  for (size_t k = 0; k < op.out.size(); ++k) {
    b.out.push_back(
        LATHE_TRY(TestBuffer::make(device, *stream, op.out[k], slice_at(op.fusion.out_slice, k))));
    b.out_at.push_back(b.out[k].data());
  }
  return b;
}

Status Tuner::State::ensure_workspace(Bench& bench, size_t bytes) {
  if (bench.workspace != nullptr && bench.workspace->size() >= bytes) return {};
  bench.workspace = LATHE_TRY(device.allocate(std::max<size_t>(bytes, 64)));
  return {};
}

Status Tuner::State::check(Candidate& c, const OpInstance& op, Bench& bench,
                           const Expectation& expected) {
  for (TestBuffer& b : bench.out) LATHE_TRY(b.poison(*stream));
  const std::vector<void*> in = bench.operands(*c.prepared, op);
  LATHE_TRY(c.prepared->launch({in, bench.out_at, bench.workspace->data()}, *stream));
  LATHE_TRY(stream->synchronize());
  std::vector<HostTensor> outputs;
  for (TestBuffer& b : bench.out) {
    LATHE_TRY(b.check_canaries(*stream));
    outputs.push_back(LATHE_TRY(b.read(*stream)));
  }
  for (const auto& b : bench.in) {
    if (b) LATHE_TRY(b->check_canaries(*stream));
  }
  Certificate certificate;
  LATHE_TRY(expected.compare(op, outputs, certificate));
  c.timing.max_error = certificate.max_error;
  c.timing.bound_used = certificate.bound_used;
  c.timing.elements = certificate.elements;
  return {};
}

Result<double> Tuner::State::time(const Candidate& c, const OpInstance& op, const Bench& bench,
                                  int repeats) {
  const std::vector<void*> in = bench.operands(*c.prepared, op);
  const Buffers at{in, bench.out_at, bench.workspace->data()};
  auto work = [&] { return c.prepared->launch(at, *stream); };
  const double seconds = LATHE_TRY(device.time(*stream, work, repeats));
  return seconds / repeats;
}

// Every candidate in turn, so that a slow moment of the machine hits all alike; the hopeless leave.
Status Tuner::State::race(std::vector<Candidate*>& field, const OpInstance& op, Bench& bench) {
  ThreadScope scope(options.threads);
  std::vector<int> repeats;
  double best = 1e30;
  for (Candidate* c : field) {
    (void)LATHE_TRY(time(*c, op, bench, 1));
    const double once = LATHE_TRY(time(*c, op, bench, 1));
    best = std::min(best, once);
    c->samples = {once};
  }
  std::erase_if(field, [&](Candidate* c) {
    c->timing.seconds = c->samples[0];
    const bool out = c->samples[0] > 3 * kHopeless * best;
    return out;
  });
  for (Candidate* c : field) {
    repeats.push_back(
        static_cast<int>(std::clamp(kRoundSeconds / std::max(c->samples[0], 1e-8), 1.0, 1000.0)));
    c->samples.clear();
  }
  double spent = 0;
  for (int round = 0; round < kRounds && spent < 1.0; ++round) {
    for (size_t k = 0; k < field.size(); ++k) {
      if (round > 0 && median(field[k]->samples) > kHopeless * best) continue;
      const double s = LATHE_TRY(time(*field[k], op, bench, repeats[k]));
      spent += s * repeats[k];
      best = round == 0 && k == 0 ? s : std::min(best, s);
      field[k]->samples.push_back(s);
    }
  }
  for (Candidate* c : field) c->timing.seconds = median(c->samples);
  return {};
}

// Checks and times what the cache does not know. The reference runs only when nothing else is left.
Status Tuner::State::measure(std::vector<Candidate>& all, const OpInstance& op,
                             std::span<const HostTensor> constants) {
  const bool need =
      std::any_of(all.begin(), all.end(), [](const Candidate& c) { return !c.known; });
  if (!need) return {};
  Bench bench = LATHE_TRY(make_bench(op, constants));
  std::optional<Expectation> expected;
  TrialPacks packs;
  std::vector<Candidate*> field;
  bool have_good = std::any_of(all.begin(), all.end(), [](const Candidate& c) {
    return c.known && c.timing.rejected.empty() && !is_reference(*c.tactic);
  });
  for (Candidate& c : all) {
    if (c.known) continue;
    if (is_reference(*c.tactic)) {
      if (have_good || !field.empty()) continue;
    }
    Status loaded = load(c, op, constants, packs);
    if (loaded.ok()) loaded = ensure_workspace(bench, c.prepared->workspace_bytes);
    if (!loaded.ok()) {
      c.timing.rejected = fmt::format("did not load: {}", loaded.message());
      continue;
    }
    if (options.verify != Verify::Off && !is_reference(*c.tactic)) {
      if (!expected) {
        expected = LATHE_TRY(Expectation::make(op, bench.inputs, seed_of(op.to_string()),
                                               options.verify == Verify::Full));
      }
      ThreadScope scope(options.threads);
      if (Status wrong = check(c, op, bench, *expected); !wrong.ok()) {
        if (wrong.code() == Code::DeviceLost) return wrong;
        c.timing.rejected = wrong.message();
        cache.put(c.key, c.timing);
        continue;
      }
    }
    field.push_back(&c);
  }
  if (field.empty()) return {};
  std::vector<Candidate*> racing = field;
  if (racing.size() == 1 && is_reference(*racing[0]->tactic)) {
    racing[0]->timing.seconds = LATHE_TRY(time(*racing[0], op, bench, 1));
  } else {
    LATHE_TRY(race(racing, op, bench));
  }
  for (Candidate* c : field) {
    c->known = true;
    cache.put(c->key, c->timing);
  }
  return {};
}

Choice Tuner::State::finish(Candidate& best, const std::vector<Candidate>& all,
                            const std::string& declined) const {
  Choice choice;
  choice.tactic = best.tactic;
  choice.config = best.config;
  choice.blob = best.blob;
  choice.seconds = best.timing.seconds;
  choice.measured = best.known;
  choice.certificate.checked = best.timing.elements > 0;
  choice.certificate.max_error = best.timing.max_error;
  choice.certificate.bound_used = best.timing.bound_used;
  choice.certificate.elements = best.timing.elements;
  for (const Candidate& c : all) {
    const std::string label = c.config.empty() ? std::string(c.tactic->name)
                                               : fmt::format("{} {}", c.tactic->name, c.config);
    if (!c.timing.rejected.empty())
      choice.certificate.rejected.push_back(label + ": " + c.timing.rejected);
    if (&c == &best || !c.known || !c.timing.rejected.empty()) continue;
    choice.why += fmt::format("{} took {:.1f} us; ", label, c.timing.seconds * 1e6);
  }
  choice.why += declined;
  return choice;
}

Result<Choice> Tuner::State::decide(const OpInstance& op, std::span<const HostTensor> constants) {
  std::string declined;
  std::vector<Candidate> all = candidates(op, declined);
  if (all.empty()) return unsupported("no tactic: {}", declined);
  TrialPacks packs;
  if (options.random_tactic_seed != 0) {
    Random random(options.random_tactic_seed ^ seed_of(op.to_string()));
    for (size_t k = all.size(); k > 1; --k)
      std::swap(all[k - 1],
                all[static_cast<size_t>(random.integer(0, static_cast<int64_t>(k) - 1))]);
  }
  if (!options.tune || options.random_tactic_seed != 0) {
    for (Candidate& c : all) {
      if (c.known && !c.timing.rejected.empty()) continue;
      if (Status s = load(c, op, constants, packs); !s.ok()) {
        c.timing.rejected = fmt::format("did not load: {}", s.message());
        continue;
      }
      c.known = false;
      c.timing.seconds = c.tactic->expect != nullptr ? c.tactic->expect(op, c.config, device.info())
                                                     : model_seconds(op, device.info());
      return finish(c, all, declined);
    }
    return unsupported("no tactic: {}", declined);
  }
  LATHE_TRY(measure(all, op, constants));
  Candidate* best = nullptr;
  for (Candidate& c : all) {
    if (!c.known || !c.timing.rejected.empty()) continue;
    const bool better =
        best == nullptr || (options.slowest ? c.timing.seconds > best->timing.seconds
                                            : c.timing.seconds < best->timing.seconds);
    if (better) best = &c;
  }
  if (best == nullptr) {
    std::string reasons = declined;
    for (const Candidate& c : all)
      reasons += fmt::format("{}: {}; ", c.tactic->name, c.timing.rejected);
    return internal("no tactic computes {} rightly: {}", op.to_string(), reasons);
  }
  if (best->tactic->source != nullptr && best->blob.empty())
    LATHE_TRY(load(*best, op, constants, packs));
  return finish(*best, all, declined);
}

Tuner::Tuner(Device& device, Device& host, KernelCompiler* compiler, TimingCache& cache,
             TunerOptions options)
    : state_(new State{device, host, compiler, cache, options, nullptr, {}, {}}) {}
Tuner::~Tuner() = default;

Result<Choice> Tuner::choose(const OpInstance& op, std::span<const HostTensor> constants) {
  const std::string key = op.to_string();
  auto it = state_->chosen.find(key);
  if (it != state_->chosen.end()) return it->second;
  Choice choice = LATHE_TRY(state_->decide(op, constants));
  state_->chosen.emplace(key, choice);
  return choice;
}

std::string Tuner::declined(const OpInstance& op) const {
  std::string reasons;
  for (const Tactic* t : state_->device.tactics()) {
    if (!runs(*t, op) || is_reference(*t)) continue;
    Support s = t->supports(op, state_->device.info());
    if (s) return "";
    reasons += fmt::format("{}: {}; ", t->name, s.why);
  }
  return reasons.empty() ? "no tactic runs this operator" : reasons;
}

bool Tuner::supported(const OpInstance& op) const { return declined(op).empty(); }

Result<double> Tuner::time_chain(const Chain& chain) {
  std::vector<double> seconds;
  LATHE_TRY(fastest({&chain, 1}, &seconds));
  return seconds[0];
}

namespace {

// A chain loaded and bound, ready to be launched again and again.
struct LoadedChain {
  std::vector<std::unique_ptr<Prepared>> prepared;
  std::vector<std::vector<void*>> in, out;
  std::vector<std::unique_ptr<TestBuffer>> buffers;  // by value, and of constants
  std::unique_ptr<Memory> workspace;
  std::string key;
};

}  // namespace

Result<size_t> Tuner::fastest(std::span<const Chain> candidates, std::vector<double>* seconds) {
  State& s = *state_;
  LATHE_TRY(s.open());
  seconds->assign(candidates.size(), -1);
  std::vector<LoadedChain> loaded(candidates.size());
  TrialPacks packs;
  bool all_known = true;
  for (size_t n = 0; n < candidates.size(); ++n) {
    LoadedChain& l = loaded[n];
    l.key = "chain|" + s.device.info().key();
    for (const Chain::Link& link : candidates[n].links) {
      const Choice c = LATHE_TRY(choose(link.op, link.constants));
      l.key += fmt::format("|{}|{}@{}|{}", link.op.to_string(), c.tactic->name, c.tactic->version,
                           c.config);
    }
    if (const Timing* t = s.cache.find(l.key)) {
      (*seconds)[n] = t->seconds;
    } else {
      all_known = false;
    }
  }
  auto best_of = [&] {
    return static_cast<size_t>(std::min_element(seconds->begin(), seconds->end()) -
                               seconds->begin());
  };
  if (all_known) return best_of();
  for (size_t n = 0; n < candidates.size(); ++n) {
    LoadedChain& l = loaded[n];
    std::map<int, TestBuffer*> values;
    size_t workspace = 64;
    for (const Chain::Link& link : candidates[n].links) {
      const Choice c = LATHE_TRY(choose(link.op, link.constants));
      Candidate one{c.tactic, c.config, "", c.blob, nullptr, {}, {}, false};
      LATHE_TRY(s.load(one, link.op, link.constants, packs));
      std::vector<HostTensor> inputs =
          LATHE_TRY(make_inputs(link.op, link.constants, seed_of(link.op.to_string())));
      std::vector<void*> in, out;
      for (size_t k = 0; k < link.in.size(); ++k) {
        const bool constant = link.op.is_constant(static_cast<int>(k));
        const bool packed = constant && k < 64 && ((one.prepared->plain_constants >> k) & 1) == 0;
        if (link.in[k] < 0 || packed) {
          in.push_back(nullptr);
          continue;
        }
        TestBuffer*& b = values[link.in[k]];
        if (b == nullptr) {
          l.buffers.push_back(std::make_unique<TestBuffer>(LATHE_TRY(TestBuffer::make(
              s.device, *s.stream, link.op.in[k], slice_at(link.op.fusion.in_slice, k)))));
          b = l.buffers.back().get();
          LATHE_TRY(b->write(inputs[k], *s.stream));
        }
        in.push_back(b->data());
      }
      for (size_t k = 0; k < link.out.size(); ++k) {
        l.buffers.push_back(std::make_unique<TestBuffer>(LATHE_TRY(TestBuffer::make(
            s.device, *s.stream, link.op.out[k], slice_at(link.op.fusion.out_slice, k)))));
        values[link.out[k]] = l.buffers.back().get();
        out.push_back(l.buffers.back()->data());
      }
      workspace = std::max(workspace, one.prepared->workspace_bytes);
      l.prepared.push_back(std::move(one.prepared));
      l.in.push_back(std::move(in));
      l.out.push_back(std::move(out));
    }
    l.workspace = LATHE_TRY(s.device.allocate(workspace));
  }
  ThreadScope scope(s.options.threads);
  std::vector<std::vector<double>> samples(candidates.size());
  std::vector<int> repeats(candidates.size(), 1);
  for (int round = -2; round < kRounds; ++round) {
    for (size_t n = 0; n < candidates.size(); ++n) {
      LoadedChain& l = loaded[n];
      auto work = [&]() -> Status {
        for (size_t k = 0; k < l.prepared.size(); ++k) {
          LATHE_TRY(l.prepared[k]->launch({l.in[k], l.out[k], l.workspace->data()}, *s.stream));
        }
        return {};
      };
      const double t = LATHE_TRY(s.device.time(*s.stream, work, repeats[n])) / repeats[n];
      if (round == -1)
        repeats[n] = static_cast<int>(std::clamp(kRoundSeconds / std::max(t, 1e-8), 1.0, 1000.0));
      if (round >= 0) samples[n].push_back(t);
    }
  }
  for (size_t n = 0; n < candidates.size(); ++n) {
    (*seconds)[n] = median(samples[n]);
    Timing timing;
    timing.seconds = (*seconds)[n];
    s.cache.put(loaded[n].key, timing);
  }
  return best_of();
}

}  // namespace lathe
