// SPDX-License-Identifier: Apache-2.0
// Chains of operations, timed as they would run: each link with its chosen tactic, intermediates
// passed on in memory.
#include <algorithm>

#include "base/hash.h"
#include "base/parallel.h"
#include "base/stopwatch.h"
#include "tuner/tuner_state.h"

namespace lathe {
namespace {

// One link, ready to be launched again and again.
struct LoadedLink {
  std::unique_ptr<Prepared> prepared;
  std::vector<void*> in, out;
};

struct LoadedChain {
  std::vector<LoadedLink> links;
  std::map<int, TestBuffer> values;  // by number; std::map keeps addresses
  std::unique_ptr<Memory> workspace;
  size_t workspace_bytes = 64;
  TrialPacks packs;

  Status launch(Stream& stream) const {
    for (const LoadedLink& l : links)
      LATHE_TRY(l.prepared->launch({l.in, l.out, workspace->data()}, stream));
    return {};
  }
};

// Buffers of the operands that no link before wrote, filled with seeded values.
Status bind_operands(Device& device, Stream& stream, const Chain::Link& link, LoadedChain& chain,
                     LoadedLink& into) {
  std::vector<void*> at(link.in.size(), nullptr);
  std::vector<HostTensor> inputs;
  for (size_t k = 0; k < link.in.size(); ++k) {
    const bool constant = k < 64 && link.op.is_constant(static_cast<int>(k));
    const bool packed = constant && ((into.prepared->plain_constants >> k) & 1) == 0;
    if (link.in[k] < 0 || packed) continue;
    auto known = chain.values.find(link.in[k]);
    if (known == chain.values.end()) {
      if (inputs.empty())
        inputs = LATHE_TRY(make_inputs(link.op, link.constants, hash64(link.op.to_string())));
      TestBuffer buffer = LATHE_TRY(
          TestBuffer::make(device, stream, link.op.in[k], slice_at(link.op.fusion.in_slice, k)));
      LATHE_TRY(buffer.write(inputs[k], stream));
      known = chain.values.emplace(link.in[k], std::move(buffer)).first;
    }
    at[k] = known->second.data();
  }
  into.in = std::move(at);
  return {};
}

Status bind_results(Device& device, Stream& stream, const Chain::Link& link, LoadedChain& chain,
                    LoadedLink& into) {
  for (size_t k = 0; k < link.out.size(); ++k) {
    TestBuffer buffer = LATHE_TRY(
        TestBuffer::make(device, stream, link.op.out[k], slice_at(link.op.fusion.out_slice, k)));
    into.out.push_back(buffer.data());
    chain.values.insert_or_assign(link.out[k], std::move(buffer));
  }
  return {};
}

}  // namespace

Result<size_t> Tuner::fastest(std::span<const Chain> candidates, std::vector<double>* seconds) {
  State& s = *state_;
  LATHE_TRY(s.open());
  std::vector<std::string> keys;
  std::string field;
  for (const Chain& candidate : candidates) {
    std::string key = fmt::format("chain|{}|{}", kHowTimed, s.device.info().key());
    for (const Chain::Link& link : candidate.links) {
      const Choice c = LATHE_TRY(choose(link.op, link.constants));
      key += fmt::format("|{}|{}@{}|{}", link.op.to_string(), c.tactic->name, c.tactic->version,
                         c.config);
    }
    field += key + "\n";
    keys.push_back(std::move(key));
  }
  // Times of one race compare with each other alone: a chain that also ran against others has
  // another time there, and this answer must be the same in every build that shares the cache.
  const uint64_t race = hash64(field);
  seconds->assign(candidates.size(), -1);
  bool all_known = true;
  for (size_t n = 0; n < candidates.size(); ++n) {
    keys[n] += fmt::format("|race {:016x}", race);
    const Timing* known = s.cache.find(keys[n]);
    if (known != nullptr) (*seconds)[n] = known->seconds;
    all_known = all_known && known != nullptr;
  }
  if (!all_known) {
    *seconds = LATHE_TRY(race_chains(candidates));
    for (size_t n = 0; n < candidates.size(); ++n) {
      Timing timing;
      timing.seconds = (*seconds)[n];
      (*seconds)[n] = s.cache.put(keys[n], timing).seconds;
    }
  }
  return static_cast<size_t>(std::min_element(seconds->begin(), seconds->end()) - seconds->begin());
}

Result<std::vector<double>> Tuner::race_chains(std::span<const Chain> candidates) {
  State& s = *state_;
  const Stopwatch watch(s.seconds);
  std::vector<LoadedChain> loaded(candidates.size());
  for (size_t n = 0; n < candidates.size(); ++n) {
    LoadedChain& chain = loaded[n];
    for (const Chain::Link& link : candidates[n].links) {
      const Choice c = LATHE_TRY(choose(link.op, link.constants));
      Candidate one{c.tactic, c.config, "", c.blob, nullptr, {}};
      LATHE_TRY(s.load(one, link.op, link.constants, chain.packs));
      LoadedLink l{std::move(one.prepared), {}, {}};
      chain.workspace_bytes = std::max(chain.workspace_bytes, l.prepared->workspace_bytes);
      LATHE_TRY(bind_operands(s.device, *s.stream, link, chain, l));
      LATHE_TRY(bind_results(s.device, *s.stream, link, chain, l));
      chain.links.push_back(std::move(l));
    }
    chain.workspace = LATHE_TRY(s.device.allocate(chain.workspace_bytes));
  }
  auto launcher = [&](const LoadedChain& chain) {
    return [&chain, stream = s.stream.get()] { return chain.launch(*stream); };
  };
  std::vector<decltype(launcher(loaded[0]))> launches;
  launches.reserve(loaded.size());
  for (const LoadedChain& chain : loaded) launches.push_back(launcher(chain));
  std::vector<Racer> racers;
  racers.reserve(launches.size());
  for (size_t n = 0; n < loaded.size(); ++n) {
    racers.push_back({launches[n], loaded[n].packs.taken()});
  }
  LATHE_TRY(s.run_race(racers));
  std::vector<double> seconds;
  seconds.reserve(racers.size());
  for (Racer& r : racers) {
    LATHE_TRY(std::move(r.failed));
    seconds.push_back(r.seconds);
  }
  return seconds;
}

}  // namespace lathe
