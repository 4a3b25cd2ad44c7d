// SPDX-License-Identifier: Apache-2.0
#include "tuner/race.h"

#include <algorithm>
#include <vector>

#include "base/stopwatch.h"

namespace lathe {
namespace {

constexpr int kColdRuns = 4;            // single runs to begin with, the first to warm up
constexpr int kRounds = 7;              // times that each is measured,
constexpr double kBudget = 1.0;         // in so many seconds, what stands between runs included;
constexpr int kMostRounds = 25;         // more where the samples do not agree,
constexpr double kPatience = 0.3;       // within so many seconds in all,
constexpr double kAgree = 1.03;         // the two fastest within this
constexpr double kContender = 1.1;      // of candidates this near to the best
constexpr double kAbout = 1.1;          // enough agreement to leave by
constexpr double kRoundSeconds = 4e-4;  // at least this long a measurement
constexpr double kHopeless = 1.5;       // slower than the best by this: out
constexpr double kHopelessCold = 4.5;   // the same of single runs
constexpr double kAbsurd = 30;          // slower by this: out, whatever interrupted it
constexpr int kFewestRounds = 3;        // before anybody leaves
constexpr double kSlow = 0.2;           // one run of this many seconds is measurement enough

// What a busy machine adds to a measurement is never negative: the fastest sample is nearest the
// truth, and medians of two candidates differ by who was interrupted. One that no other comes near
// may still be far from it.
struct Runner {
  Racer* racer;
  int repeats = 1;
  int samples = 0;
  double fastest = 1e30, second = 1e30;

  void add(double sample) {
    ++samples;
    second = std::min(second, std::max(sample, fastest));
    fastest = std::min(fastest, sample);
  }
  bool agrees(double within) const { return second <= within * fastest; }
  // Slower for certain: several samples say the same.
  bool is_behind(double best, double by) const {
    if (fastest >= kSlow) return fastest > by * best;
    return samples >= kFewestRounds && fastest > by * best &&
           (agrees(kAbout) || fastest > kAbsurd * best);
  }
};

double best_of(std::span<const Runner> runners) {
  double best = 1e30;
  for (const Runner& r : runners) best = std::min(best, r.fastest);
  return best;
}

// One measurement of somebody who has not failed.
Result<double> measure(Device& device, Stream& stream, Runner& r) {
  Result<double> took = device.time(stream, r.racer->work, r.repeats, r.racer->cold);
  if (took.ok()) {
    r.add(*took);
    return took;
  }
  if (took.status().code() == Code::DeviceLost) return took;
  r.racer->failed = std::move(took).status();
  return 0;
}

// The same in seconds of this machine's, what stands between runs included, or of the device's.
Result<double> spent_on(Device& device, Stream& stream, Runner& r) {
  double here = 0;
  const double there = LATHE_TRY([&] {
    const Stopwatch watch(here);
    return measure(device, stream, r);
  }());
  return std::max(here, there);
}

// In turns from the first run on: an interruption must not meet all runs of one candidate.
Status run_cold(Device& device, Stream& stream, std::span<Runner> runners) {
  for (int run = 0; run < kColdRuns; ++run) {
    for (Runner& r : runners) {
      if (!r.racer->failed.ok() || (r.samples > 0 && r.fastest >= kSlow)) continue;
      LATHE_TRY(measure(device, stream, r));
    }
  }
  return {};
}

Status run_rounds(Device& device, Stream& stream, std::span<Runner> runners) {
  double spent = 0;
  bool settled = false;
  for (int round = 0; round < kMostRounds; ++round) {
    const bool more = round >= kRounds;
    if (spent >= (more ? kPatience : kBudget) || (more && settled)) break;
    const double best = best_of(runners);
    settled = true;
    for (Runner& r : runners) {
      if (!r.racer->failed.ok() || r.is_behind(best, kHopeless)) continue;
      spent += LATHE_TRY(spent_on(device, stream, r));
      // Of those that may still win.
      settled = settled && (r.agrees(kAgree) || r.fastest > kContender * best);
    }
  }
  return {};
}

}  // namespace

Status race(Device& device, Stream& stream, std::span<Racer> field) {
  std::vector<Runner> first;
  first.reserve(field.size());
  for (Racer& r : field) first.push_back({&r});
  LATHE_TRY(run_cold(device, stream, first));
  const double best = best_of(first);
  for (const Runner& r : first) r.racer->seconds = r.fastest;
  if (field.size() == 1 && best >= kSlow) return {};
  std::vector<Runner> runners;
  for (const Runner& r : first) {
    if (!r.racer->failed.ok() || r.is_behind(best, kHopelessCold)) continue;
    const double repeats = std::clamp(kRoundSeconds / std::max(r.fastest, 1e-8), 1.0, 1000.0);
    runners.push_back({r.racer, static_cast<int>(repeats)});
  }
  LATHE_TRY(run_rounds(device, stream, runners));
  for (const Runner& r : runners) {
    r.racer->seconds = r.fastest;
    r.racer->settled = r.agrees(kAbout) || r.samples == 1;
  }
  return {};
}

}  // namespace lathe
