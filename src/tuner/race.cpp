// SPDX-License-Identifier: Apache-2.0
#include "tuner/race.h"

#include <algorithm>
#include <vector>

namespace lathe {
namespace {

constexpr int kRounds = 9;              // times that each is measured
constexpr double kRoundSeconds = 4e-4;  // at least this long a measurement
constexpr double kHopeless = 1.5;       // slower than the best by this after a round: out
constexpr double kHopelessCold = 4.5;   // and by this after a single run
constexpr int kColdRuns = 3;            // single runs, the first to warm up
constexpr int kFewestRounds = 3;        // before anybody leaves
constexpr double kSlow = 0.2;           // one run of this many seconds is measurement enough
constexpr double kBudget = 1.0;         // seconds for all rounds

// What a busy machine adds to a measurement is never negative: the fastest sample is nearest the
// truth, and medians of two candidates differ by who was interrupted.
double fastest(const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); }

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
  struct Runner {
    Racer* racer;
    int repeats;
    std::vector<double> samples;
  };
  std::vector<Runner> runners;
  for (Racer& r : field) {
    if (r.seconds > kHopelessCold * best) continue;
    const double repeats = std::clamp(kRoundSeconds / std::max(r.seconds, 1e-8), 1.0, 1000.0);
    runners.push_back({&r, static_cast<int>(repeats), {}});
  }
  double spent = 0;
  best = 1e30;
  for (int round = 0; round < kRounds && spent < kBudget; ++round) {
    for (Runner& r : runners) {
      if (round >= kFewestRounds && fastest(r.samples) > kHopeless * best) continue;
      const double took = LATHE_TRY(device.time(stream, r.racer->work, r.repeats));
      spent += took;
      r.samples.push_back(took / r.repeats);
      best = std::min(best, r.samples.back());
    }
  }
  for (Runner& r : runners) r.racer->seconds = fastest(r.samples);
  return {};
}

}  // namespace lathe
