// SPDX-License-Identifier: Apache-2.0
#pragma once
// What stands behind a Tuner: candidates, the operation that they are tried on, what was chosen.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "tuner/race.h"
#include "tuner/trial.h"
#include "tuner/tuner.h"

namespace lathe {

// In the keys of the timing cache: another number where times mean something else than before.
constexpr std::string_view kHowTimed = "3";

// Packs of one trial; engines share theirs, a trial throws its away.
class TrialPacks : public PackCache {
 public:
  Result<std::shared_ptr<void>> get(const std::string& key,
                                    Result<std::shared_ptr<void>> (*make)(void*),
                                    void* state) override;
  // The packed weights that were asked for since the last call: a network's others push them out of
  // the caches.
  ColdMemory taken() { return std::exchange(taken_, {}); }

 private:
  void took(const std::shared_ptr<Memory>& memory) override {
    taken_.emplace_back(static_cast<const std::byte*>(memory->data()), memory->size());
  }

  std::map<std::string, std::shared_ptr<void>> packs_;
  ColdMemory taken_;
};

// One way to run the operation, and what the timing cache says of it or will.
struct Candidate {
  const Tactic* tactic;
  Config config;
  std::string key;  // of the timing cache
  std::vector<std::byte> blob;
  std::unique_ptr<Prepared> prepared;
  Timing timing;
  bool known = false;     // timing is what the cache holds
  bool measured = false;  // its seconds are
  ColdMemory cold = {};   // its packed weights
};

// The operation that candidates are tried on; what trying needs is made when it is needed.
struct Subject {
  const OpInstance& op;
  std::span<const HostTensor> constants;
  TrialPacks packs;
  std::optional<Trial> trial;
  std::optional<Expectation> expected;

  uint64_t seed() const { return hash64(op.to_string()); }
  Result<Trial*> trial_on(Device& device, Stream& stream) {
    if (!trial) trial = LATHE_TRY(Trial::make(device, stream, op, constants, seed()));
    return &*trial;
  }
};

struct Tuner::State {
  Device& device;
  Device& host;
  KernelCompiler* compiler;
  TimingCache& cache;
  TunerOptions options;
  std::unique_ptr<Stream> stream = nullptr;
  std::map<std::string, Choice> chosen = {};
  std::map<std::string, std::vector<std::byte>> compiled = {};  // by source text
  Noise noise = {};
  double seconds = 0;           // of everything,
  double seconds_checking = 0;  // of these

  Status open();
  Status run_race(std::span<Racer> field);
  std::string tactic_key(const OpInstance& op, const Tactic& t, const Config& c) const;
  std::vector<Candidate> candidates(const OpInstance& op, std::string& declined) const;
  Status load(Candidate& c, const OpInstance& op, std::span<const HostTensor> constants,
              PackCache& packs);
  Result<bool> is_loaded(Candidate& c, Subject& subject);
  Result<bool> is_right(Candidate& c, Subject& subject);
  bool needs_check(const Candidate& c, const OpInstance& op) const;
  Status measure(std::vector<Candidate>& all, Subject& subject);
  Status time(std::vector<Candidate*>& field, Subject& subject);
  Candidate* preferred(std::span<Candidate* const> of) const;
  Result<Candidate*> best_measured(std::vector<Candidate>& all, Subject& subject);
  Result<Candidate*> first_sound(std::vector<Candidate>& all, Subject& subject);
  Result<Choice> decide(const OpInstance& op, std::span<const HostTensor> constants);
  Choice finish(Candidate& best, const std::vector<Candidate>& all,
                const std::string& declined) const;
};

}  // namespace lathe
