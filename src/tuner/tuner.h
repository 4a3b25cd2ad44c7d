// SPDX-License-Identifier: Apache-2.0
#pragma once
// Chooses tactics: asks each for support and configs, checks candidates against the reference on
// seeded data with poisoned outputs and canaries, times the survivors in turns, remembers in the
// timing cache. One Tuner serves one build; it is not thread-safe.
#include <memory>
#include <string>
#include <vector>

#include "device/tactic.h"
#include "engine/plan.h"
#include "tuner/timing_cache.h"

namespace lathe {

enum class Verify : uint8_t { Off, Sample, Full };

struct TunerOptions {
  bool tune = true;  // false: by cost model alone
  Verify verify = Verify::Sample;
  int64_t workspace_limit = INT64_MAX;
  uint64_t random_tactic_seed = 0;  // not 0: any supported tactic, for tests
  bool reference_only = false;      // for tests
  bool slowest = false;             // for tests
  int threads = 1;
};

// The chosen way to run one concrete instance.
struct Choice {
  const Tactic* tactic = nullptr;
  Config config;
  bool on_host = false;
  std::vector<std::byte> blob;
  double seconds = 0;
  bool measured = false;
  std::string why;  // "12.1 us; next onednn_conv 15.0 us; jit declined: ..."
  Certificate certificate;
};

// Operations that run one after the other: what fusion candidates are compared as. Values are
// numbered; an operation's operands and results name them, so that intermediates are passed on.
struct Chain {
  struct Link {
    OpInstance op;                      // concrete
    std::vector<int> in, out;           // value numbers; -1 absent
    std::vector<HostTensor> constants;  // by operand; empty where not constant
  };
  std::vector<Link> links;
};

class Tuner {
 public:
  // `host`: where an operation goes that `device` cannot run; may be `device` itself.
  Tuner(Device& device, Device& host, KernelCompiler* compiler, TimingCache& cache,
        TunerOptions options);
  ~Tuner();

  // The best tactic for a concrete instance. Constants (weights) are given where known: packing
  // and precision are real. One choice for all instances of equal text, tried with the constants of
  // the first. Never fails for want of a tactic: the reference is the last. What does not stand in
  // the cache is checked unless Verify::Off, tuned or not.
  Result<Choice> choose(const OpInstance& op, std::span<const HostTensor> constants);

  // The candidate that runs fastest with each link's chosen tactic, intermediates passed on, hot as
  // in a run; timed in turns. Index into `candidates`. What was answered once for these candidates
  // stays the answer.
  Result<size_t> fastest(std::span<const Chain> candidates, std::vector<double>* seconds);

  // Why no tactic but the reference takes this instance: "onednn_conv: only ...; ...", or empty.
  std::string declined(const OpInstance& op) const;
  bool supported(const OpInstance& op) const;  // by a tactic other than the reference

  // Races so far, and those whose winner was never measured alike twice: other programs held the
  // processor.
  struct Noise {
    int races = 0, unsettled = 0;
  };
  Noise noise() const;

  // What it spent so far, in seconds: checking is all that Verify::Off would leave out.
  struct Spent {
    double tuning = 0, checking = 0;
  };
  Spent spent() const;

  struct State;  // tuner_state.h

 private:
  Result<std::vector<double>> race_chains(std::span<const Chain> candidates);
  std::unique_ptr<State> state_;
};

}  // namespace lathe
