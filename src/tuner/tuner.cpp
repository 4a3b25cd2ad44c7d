// SPDX-License-Identifier: Apache-2.0
#include "tuner/tuner.h"

#include <algorithm>

#include "base/hash.h"
#include "base/parallel.h"
#include "base/random.h"
#include "base/stopwatch.h"
#include "custom/library.h"
#include "tuner/tuner_state.h"

namespace lathe {
namespace {

bool runs(const Tactic& t, const OpInstance& op) { return t.op == "*" || t.op == op.def->name; }
bool is_reference(const Tactic& t) { return t.op == "*"; }

double expected_seconds(const Tactic& t, const OpInstance& op, const Config& config,
                        const DeviceInfo& device) {
  return t.expect != nullptr ? t.expect(op, config, device) : model_seconds(op, device);
}

std::string label_of(const Candidate& c) {
  return c.config.empty() ? std::string(c.tactic->name)
                          : fmt::format("{} {}", c.tactic->name, c.config);
}

}  // namespace

Result<std::shared_ptr<void>> TrialPacks::get(const std::string& key,
                                              Result<std::shared_ptr<void>> (*make)(void*),
                                              void* state) {
  auto it = packs_.find(key);
  if (it != packs_.end()) return it->second;
  std::shared_ptr<void> made = LATHE_TRY(make(state));
  packs_.emplace(key, made);
  return made;
}

Status Tuner::State::open() {
  if (stream == nullptr) stream = LATHE_TRY(device.open_stream());
  return {};
}

Status Tuner::State::run_race(std::span<Racer> field) {
  ThreadScope scope(options.threads);
  LATHE_TRY(race(device, *stream, field));
  const auto winner =
      std::min_element(field.begin(), field.end(),
                       [](const Racer& a, const Racer& b) { return a.seconds < b.seconds; });
  ++noise.races;
  noise.unsettled += winner->settled ? 0 : 1;
  return {};
}

std::string Tuner::State::tactic_key(const OpInstance& op, const Tactic& t, const Config& c) const {
  std::string key = fmt::format("{}|{}|{}|{}@{}|{}", kHowTimed, device.info().key(), op.to_string(),
                                t.name, t.version, c);
  if (op.plugin != nullptr) key += fmt::format("|{:016x}", op.plugin->library->content_hash());
  return key;
}

std::vector<Candidate> Tuner::State::candidates(const OpInstance& op, std::string& declined) const {
  std::vector<Candidate> all;
  for (const Tactic* t : device.tactics()) {
    if (!runs(*t, op)) continue;
    if (options.reference_only && !is_reference(*t) && has_reference(op)) continue;
    const Support support = t->supports(op, device.info());
    if (!support.why.empty()) declined += fmt::format("{}: {}; ", t->name, support.why);
    if (!support) continue;
    const std::vector<Config> configs =
        t->configs != nullptr ? t->configs(op, device.info()) : std::vector<Config>{{}};
    for (const Config& config : configs) {
      Candidate c{t, config, tactic_key(op, *t, config), {}, nullptr, {}};
      if (const Timing* known = cache.find(c.key)) {
        c.timing = *known;
        c.known = true;
      }
      all.push_back(std::move(c));
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

// Makes the candidate ready to run. False: it is out, and its timing says why.
Result<bool> Tuner::State::is_loaded(Candidate& c, Subject& s) {
  if (c.prepared != nullptr) return true;
  Status loaded = load(c, s.op, s.constants, s.packs);
  c.cold = s.packs.taken();
  const bool will_run = needs_check(c, s.op) || (options.tune && !c.known);
  if (loaded.ok() && will_run) {
    Trial& trial = *LATHE_TRY(s.trial_on(device, *stream));
    loaded = trial.reserve_workspace(c.prepared->workspace_bytes);
  }
  if (loaded.code() == Code::DeviceLost) return std::move(loaded).at(label_of(c));
  if (!loaded.ok()) c.timing.rejected = fmt::format("did not load: {}", loaded.message());
  return loaded.ok();
}

// Whether nobody held it against the reference yet and somebody must.
bool Tuner::State::needs_check(const Candidate& c, const OpInstance& op) const {
  // Without a reference, host_reference is one tactic more of somebody's.
  const bool trusted = is_plain_reference(*c.tactic, c.config) && has_reference(op);
  return options.verify != Verify::Off && !trusted && !c.timing.is_checked();
}

// Holds a loaded candidate against the reference. False: it is out, and its timing says why.
Result<bool> Tuner::State::is_right(Candidate& c, Subject& s) {
  const Stopwatch watch(seconds_checking);
  Trial& trial = *LATHE_TRY(s.trial_on(device, *stream));
  LATHE_TRY(trial.reserve_workspace(c.prepared->workspace_bytes));
  Certificate certificate;
  Status right;
  if (!has_reference(s.op)) {
    right = trial.check_written(*c.prepared);
  } else {
    if (!s.expected) {
      s.expected = LATHE_TRY(
          Expectation::make(s.op, trial.inputs(), s.seed(), options.verify == Verify::Full));
    }
    right = trial.check(*c.prepared, c.config, *s.expected, certificate);
    if (right.ok()) right = trial.check_in_place(*c.tactic, *c.prepared, c.config, *s.expected);
  }
  if (right.code() == Code::DeviceLost) return std::move(right).at(label_of(c));
  c.timing.max_error = certificate.max_error;
  c.timing.bound_used = certificate.bound_used;
  c.timing.elements = certificate.elements;
  c.timing.rejected = right.ok() ? "" : right.message();
  if (c.known || !right.ok()) c.timing = cache.put(c.key, c.timing);
  return c.timing.rejected.empty();
}

// Times what the cache does not know, the reference aside. Whoever wins is checked at once: beside
// one that does not do its work the others would have been given up too early. What users bring is
// checked before it runs among others, whose memory it may spoil.
Status Tuner::State::measure(std::vector<Candidate>& all, Subject& s) {
  const bool check_all =
      options.verify == Verify::Full || (options.verify != Verify::Off && s.op.def->is("Custom"));
  std::vector<Candidate*> field;
  for (Candidate& c : all) {
    if (c.known || is_reference(*c.tactic) || !LATHE_TRY(is_loaded(c, s))) continue;
    if (check_all && !LATHE_TRY(is_right(c, s))) continue;
    field.push_back(&c);
  }
  while (!field.empty()) {
    LATHE_TRY(time(field, s));
    Candidate* winner = preferred(field);
    if (winner == nullptr || !needs_check(*winner, s.op) || LATHE_TRY(is_right(*winner, s))) break;
    std::erase(field, winner);
  }
  for (Candidate* c : field) {
    c->timing = cache.put(c->key, c->timing);
    c->known = true;
  }
  return {};
}

// Those that do not run leave the field.
Status Tuner::State::time(std::vector<Candidate*>& field, Subject& s) {
  Trial& trial = *LATHE_TRY(s.trial_on(device, *stream));
  size_t workspace = 0;
  for (Candidate* c : field) workspace = std::max(workspace, c->prepared->workspace_bytes);
  LATHE_TRY(trial.reserve_workspace(workspace));
  auto launcher = [&](const Candidate* c) {
    return [this, c, &trial, in = operands_of(*c->prepared, s.op, trial.operands())] {
      return c->prepared->launch(trial.buffers(in), *stream);
    };
  };
  std::vector<decltype(launcher(field[0]))> launches;
  launches.reserve(field.size());
  for (Candidate* c : field) launches.push_back(launcher(c));
  std::vector<Racer> racers;
  racers.reserve(launches.size());
  for (size_t k = 0; k < field.size(); ++k) racers.push_back({launches[k], field[k]->cold});
  LATHE_TRY(run_race(racers));
  for (size_t k = 0; k < racers.size(); ++k) {
    field[k]->timing.seconds = racers[k].seconds;
    if (racers[k].failed.ok()) continue;
    field[k]->timing.rejected = racers[k].failed.message();
    field[k]->timing = cache.put(field[k]->key, field[k]->timing);
  }
  std::erase_if(field, [](const Candidate* c) { return !c->timing.rejected.empty(); });
  return {};
}

// The fastest, or the slowest where a test asks for it; null of none.
Candidate* Tuner::State::preferred(std::span<Candidate* const> of) const {
  const auto by_time = [](const Candidate* a, const Candidate* b) {
    return a->timing.seconds < b->timing.seconds;
  };
  if (of.empty()) return nullptr;
  return options.slowest ? *std::max_element(of.begin(), of.end(), by_time)
                         : *std::min_element(of.begin(), of.end(), by_time);
}

// The fastest that is right; the reference where nothing else is.
Result<Candidate*> Tuner::State::best_measured(std::vector<Candidate>& all, Subject& s) {
  LATHE_TRY(measure(all, s));
  std::vector<Candidate*> timed;
  for (Candidate& c : all) {
    if (c.known && c.timing.rejected.empty() && !is_reference(*c.tactic)) timed.push_back(&c);
  }
  while (Candidate* best = preferred(timed)) {
    const bool unchecked = needs_check(*best, s.op);
    const bool lacks_kernel = best->tactic->source != nullptr && best->blob.empty();
    const bool out = ((unchecked || lacks_kernel) && !LATHE_TRY(is_loaded(*best, s))) ||
                     (unchecked && !LATHE_TRY(is_right(*best, s)));
    best->measured = !out;
    if (!out) return best;
    std::erase(timed, best);
  }
  // Large operations would take the reference minutes: its expectation is measure enough.
  constexpr double kWorthTiming = 0.05;
  for (Candidate& c : all) {
    if (!is_reference(*c.tactic) || !LATHE_TRY(is_loaded(c, s))) continue;
    if (needs_check(c, s.op) && !LATHE_TRY(is_right(c, s))) continue;
    const double expected = expected_seconds(*c.tactic, s.op, c.config, device.info());
    if (!c.known && expected <= kWorthTiming) {
      std::vector<Candidate*> alone{&c};
      LATHE_TRY(time(alone, s));
      if (alone.empty()) continue;
      c.timing = cache.put(c.key, c.timing);
      c.known = true;
    }
    c.measured = c.known;
    if (!c.known) c.timing.seconds = expected;
    return &c;
  }
  return nullptr;
}

// The first in the manifest's order that loads and is right; what was found wrong before is out.
Result<Candidate*> Tuner::State::first_sound(std::vector<Candidate>& all, Subject& s) {
  for (Candidate& c : all) {
    if (!c.timing.rejected.empty() || !LATHE_TRY(is_loaded(c, s))) continue;
    if (needs_check(c, s.op) && !LATHE_TRY(is_right(c, s))) continue;
    c.timing.seconds = expected_seconds(*c.tactic, s.op, c.config, device.info());
    return &c;
  }
  return nullptr;
}

Choice Tuner::State::finish(Candidate& best, const std::vector<Candidate>& all,
                            const std::string& declined) const {
  Choice choice;
  choice.tactic = best.tactic;
  choice.config = best.config;
  choice.blob = best.blob;
  choice.seconds = best.timing.seconds;
  choice.measured = best.measured;
  choice.certificate.checked = best.timing.elements > 0;
  choice.certificate.max_error = best.timing.max_error;
  choice.certificate.bound_used = best.timing.bound_used;
  choice.certificate.elements = best.timing.elements;
  for (const Candidate& c : all) {
    if (!c.timing.rejected.empty())
      choice.certificate.rejected.push_back(label_of(c) + ": " + c.timing.rejected);
    if (&c == &best || !c.known || !c.timing.rejected.empty()) continue;
    choice.why += fmt::format("{} took {:.1f} us; ", label_of(c), c.timing.seconds * 1e6);
  }
  choice.why += declined;
  return choice;
}

Result<Choice> Tuner::State::decide(const OpInstance& op, std::span<const HostTensor> constants) {
  LATHE_TRY(open());
  ThreadScope scope(options.threads);
  std::string declined;
  std::vector<Candidate> all = candidates(op, declined);
  if (all.empty()) return unsupported("no tactic: {}", declined);
  if (options.random_tactic_seed != 0) {
    Random random(options.random_tactic_seed ^ hash64(op.to_string()));
    for (size_t k = all.size(); k > 1; --k)
      std::swap(all[k - 1],
                all[static_cast<size_t>(random.integer(0, static_cast<int64_t>(k) - 1))]);
  }
  Subject subject{op, constants, {}, {}, {}};
  const bool measured = options.tune && options.random_tactic_seed == 0;
  Candidate* best =
      measured ? LATHE_TRY(best_measured(all, subject)) : LATHE_TRY(first_sound(all, subject));
  if (best != nullptr) return finish(*best, all, declined);
  std::string reasons = declined;
  for (const Candidate& c : all)
    reasons += fmt::format("{}: {}; ", c.tactic->name, c.timing.rejected);
  return unsupported("no tactic computes {}: {}", op.to_string(), reasons);
}

Tuner::Tuner(Device& device, Device& host, KernelCompiler* compiler, TimingCache& cache,
             TunerOptions options)
    : state_(new State{device, host, compiler, cache, options}) {}
Tuner::~Tuner() = default;

Result<Choice> Tuner::choose(const OpInstance& op, std::span<const HostTensor> constants) {
  const std::string key = op.to_string();
  auto it = state_->chosen.find(key);
  if (it != state_->chosen.end()) return it->second;
  const Stopwatch watch(state_->seconds);
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

Tuner::Noise Tuner::noise() const { return state_->noise; }

Tuner::Spent Tuner::spent() const {
  return {state_->seconds - state_->seconds_checking, state_->seconds_checking};
}

bool Tuner::supported(const OpInstance& op) const { return declined(op).empty(); }

}  // namespace lathe
