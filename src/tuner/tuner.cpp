// SPDX-License-Identifier: Apache-2.0
#include "tuner/tuner.h"

#include <algorithm>

#include "base/hash.h"
#include "base/parallel.h"
#include "base/random.h"
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

void TrialPacks::add_to(ColdMemory& cold) const {
  for (const std::shared_ptr<Memory>& memory : weights_) {
    cold.emplace_back(static_cast<const std::byte*>(memory->data()), memory->size());
  }
}

Status Tuner::State::open() {
  if (stream == nullptr) stream = LATHE_TRY(device.open_stream());
  return {};
}

Status Tuner::State::run_race(std::span<Racer> field, const ColdMemory& cold) {
  ThreadScope scope(options.threads);
  LATHE_TRY(race(device, *stream, field, cold));
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

// Loads the candidate and, where asked, holds it against the reference. False: it is out, and its
// timing says why.
Result<bool> Tuner::State::is_sound(Candidate& c, Subject& s) {
  if (Status loaded = load(c, s.op, s.constants, s.packs); !loaded.ok()) {
    if (loaded.code() == Code::DeviceLost) return std::move(loaded).at(label_of(c));
    c.timing.rejected = fmt::format("did not load: {}", loaded.message());
    return false;
  }
  // Without a reference, host_reference is one tactic more of somebody's.
  const bool trusted = is_plain_reference(*c.tactic, c.config) && has_reference(s.op);
  const bool verify = options.verify != Verify::Off && !trusted;
  if (!verify && !options.tune) return true;
  const uint64_t seed = hash64(s.op.to_string());
  Trial& trial = *LATHE_TRY(s.trial_on(device, *stream, seed));
  if (Status room = trial.reserve_workspace(c.prepared->workspace_bytes); !room.ok()) {
    c.timing.rejected = fmt::format("did not load: {}", room.message());
    return false;
  }
  if (!verify) return true;
  if (!has_reference(s.op)) {
    Status written = trial.check_written(*c.prepared);
    if (written.code() == Code::DeviceLost) return std::move(written).at(label_of(c));
    if (!written.ok()) c.timing.rejected = written.message();
    if (!written.ok()) c.timing = cache.put(c.key, c.timing);
    return written.ok();
  }
  ThreadScope scope(options.threads);
  if (!s.expected) {
    s.expected =
        LATHE_TRY(Expectation::make(s.op, trial.inputs(), seed, options.verify == Verify::Full));
  }
  Certificate certificate;
  Status right = trial.check(*c.prepared, c.config, *s.expected, certificate);
  if (right.ok()) right = trial.check_in_place(*c.tactic, *c.prepared, c.config, *s.expected);
  if (right.code() == Code::DeviceLost) return std::move(right).at(label_of(c));
  c.timing.max_error = certificate.max_error;
  c.timing.bound_used = certificate.bound_used;
  c.timing.elements = certificate.elements;
  if (right.ok()) return true;
  c.timing.rejected = right.message();
  c.timing = cache.put(c.key, c.timing);
  return false;
}

// Checks and times what the cache does not know, the reference aside.
Status Tuner::State::measure(std::vector<Candidate>& all, Subject& s) {
  std::vector<Candidate*> field;
  for (Candidate& c : all) {
    if (c.known || is_reference(*c.tactic)) continue;
    if (LATHE_TRY(is_sound(c, s))) field.push_back(&c);
  }
  return field.empty() ? Status() : time(field, s);
}

Status Tuner::State::time(std::span<Candidate* const> field, Subject& s) {
  Trial& trial = *LATHE_TRY(s.trial_on(device, *stream, hash64(s.op.to_string())));
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
  for (auto& launch : launches) racers.push_back({launch});
  ColdMemory cold;
  s.packs.add_to(cold);
  LATHE_TRY(run_race(racers, cold));
  for (size_t k = 0; k < field.size(); ++k) {
    field[k]->timing.seconds = racers[k].seconds;
    field[k]->known = true;
    field[k]->timing = cache.put(field[k]->key, field[k]->timing);
  }
  return {};
}

// The fastest that is right; the reference where nothing else is.
Result<Candidate*> Tuner::State::best_measured(std::vector<Candidate>& all, Subject& s) {
  LATHE_TRY(measure(all, s));
  Candidate* best = nullptr;
  for (Candidate& c : all) {
    if (!c.known || !c.timing.rejected.empty() || is_reference(*c.tactic)) continue;
    const bool better =
        best == nullptr || (options.slowest ? c.timing.seconds > best->timing.seconds
                                            : c.timing.seconds < best->timing.seconds);
    if (better) best = &c;
  }
  if (best != nullptr) {
    const bool lacks_kernel = best->tactic->source != nullptr && best->blob.empty();
    if (lacks_kernel) LATHE_TRY(load(*best, s.op, s.constants, s.packs));
    best->measured = true;
    return best;
  }
  // Large operations would take the reference minutes: its expectation is measure enough.
  constexpr double kWorthTiming = 0.05;
  for (Candidate& c : all) {
    if (!is_reference(*c.tactic) || !LATHE_TRY(is_sound(c, s))) continue;
    const double expected = expected_seconds(*c.tactic, s.op, c.config, device.info());
    if (!c.known && expected <= kWorthTiming) {
      Candidate* const alone[] = {&c};
      LATHE_TRY(time(alone, s));
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
    if (c.known && !c.timing.rejected.empty()) continue;
    if (c.known) {
      if (Status loaded = load(c, s.op, s.constants, s.packs); !loaded.ok()) {
        c.timing.rejected = fmt::format("did not load: {}", loaded.message());
        continue;
      }
    } else if (!LATHE_TRY(is_sound(c, s))) {
      continue;
    }
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
    : state_(new State{device, host, compiler, cache, options, nullptr, {}, {}, {}}) {}
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

Tuner::Noise Tuner::noise() const { return state_->noise; }

bool Tuner::supported(const OpInstance& op) const { return declined(op).empty(); }

}  // namespace lathe
