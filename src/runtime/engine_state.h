// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the sessions of one engine share: the plan, prepared tactics, packed and uploaded weights.
#include <map>
#include <mutex>

#include "runtime/session.h"

namespace lathe {

// Packed weights by key, made once. The keys name constants by their place in memory, so every
// user keeps its constants alive as long as the others last.
class SharedPacks : public PackCache {
 public:
  Result<std::shared_ptr<void>> get(const std::string& key,
                                    Result<std::shared_ptr<void>> (*make)(void*),
                                    void* state) override;
  void drop_unused();

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<void>> packs_;
};

struct PreparedStep {
  std::shared_ptr<const Prepared> prepared;
  const Tactic* tactic = nullptr;
};

struct LoadedEngine::State {
  Plan plan;
  Devices devices;
  Release release;
  std::shared_ptr<SharedPacks> packs = std::make_shared<SharedPacks>();

  Device& device_of(const Step& step) const { return step.on_host ? *devices.host : *devices.main; }

  // The step's tactic loaded for these concrete sizes, or the next in the manifest that accepts
  // them. Thread-safe; loads once for each distinct instance and thread count, and keeps as many as
  // kShapesKept shapes need.
  Result<PreparedStep> prepare(int step, const OpInstance& concrete, int threads);
  // Device memory of a constant: the plan's own bytes on the host, uploaded once on a GPU.
  Result<const void*> constant_data(int32_t constant, bool on_host, Stream& stream);
  int64_t weight_bytes();

 private:
  Result<PreparedStep> load(int step, const OpInstance& concrete, int threads);
  // Gives back the mapped pages of constants that the tactic packed and never reads again.
  void release_packed(const Prepared& prepared, std::span<const HostTensor> constants) const;

  static constexpr size_t kShapesKept = 32;
  struct Kept {
    int index;  // of the plan's step
    PreparedStep step;
    uint64_t used;  // by clock_
  };
  void drop_oldest();

  std::mutex mutex_;
  std::map<std::string, Kept> prepared_;
  uint64_t clock_ = 0;
  std::map<int32_t, std::unique_ptr<Memory>> uploaded_;
};

}  // namespace lathe
