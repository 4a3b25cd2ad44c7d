// SPDX-License-Identifier: Apache-2.0
#include "tuner/race.h"

#include <algorithm>
#include <vector>

namespace lathe {
namespace {

constexpr int kRounds = 7;              // times that each is measured,
constexpr int kMostRounds = 40;         // and more where the samples do not agree,
constexpr double kAgree = 1.02;         // the two fastest within this,
constexpr double kBudget = 1.0;         // seconds for all rounds
constexpr double kRoundSeconds = 4e-4;  // at least this long a measurement
constexpr double kHopeless = 1.5;       // slower than the best by this after a round: out
constexpr double kHopelessCold = 4.5;   // and by this after a single run
constexpr int kColdRuns = 3;            // single runs, the first to warm up
constexpr int kFewestRounds = 3;        // before anybody leaves
constexpr double kSlow = 0.2;           // one run of this many seconds is measurement enough

// What a busy machine adds to a measurement is never negative: the fastest sample is nearest the
// truth, and medians of two candidates differ by who was interrupted. One that no other comes near
// may still be far from it.
struct Runner {
  Racer* racer;
  int repeats;
  double fastest = 1e30, second = 1e30;

  void add(double sample) {
    second = std::min(second, std::max(sample, fastest));
    fastest = std::min(fastest, sample);
  }
  bool is_settled() const { return second <= kAgree * fastest; }
};

}  // namespace

Status race(Device& device, Stream& stream, std::span<Racer> field) {
  double best = 1e30;
  for (Racer& r : field) {
    r.seconds = LATHE_TRY(device.time(stream, r.work, 1));
    for (int again = 0; again < kColdRuns && r.seconds < kSlow; ++again) {
      r.seconds = std::min(r.seconds, LATHE_TRY(device.time(stream, r.work, 1)));
    }
    best = std::min(best, r.seconds);
  }
  if (field.size() == 1 && best >= kSlow) return {};
  std::vector<Runner> runners;
  for (Racer& r : field) {
    if (r.seconds > kHopelessCold * best) continue;
    const double repeats = std::clamp(kRoundSeconds / std::max(r.seconds, 1e-8), 1.0, 1000.0);
    runners.push_back({&r, static_cast<int>(repeats)});
  }
  double spent = 0;
  best = 1e30;
  bool settled = false;
  for (int round = 0; round < kMostRounds && spent < kBudget; ++round) {
    if (round >= kRounds && settled) break;
    settled = true;
    for (Runner& r : runners) {
      if (round >= kFewestRounds && r.fastest > kHopeless * best) continue;
      const double took = LATHE_TRY(device.time(stream, r.racer->work, r.repeats));
      spent += took;
      r.add(took / r.repeats);
      best = std::min(best, r.fastest);
      settled = settled && r.is_settled();
    }
  }
  for (Runner& r : runners) r.racer->seconds = r.fastest;
  return {};
}

}  // namespace lathe
