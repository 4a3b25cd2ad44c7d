// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "base/hash.h"
#include "base/log.h"
#include "base/parallel.h"
#include "runtime/engine_state.h"

namespace lathe {

Result<std::shared_ptr<void>> SharedPacks::get(const std::string& key,
                                               Result<std::shared_ptr<void>> (*make)(void*),
                                               void* state) {
  std::lock_guard lock(mutex_);
  auto it = packs_.find(key);
  if (it != packs_.end()) return it->second;
  std::shared_ptr<void> made = LATHE_TRY(make(state));
  packs_.emplace(key, made);
  return made;
}

void SharedPacks::drop_unused() {
  std::lock_guard lock(mutex_);
  std::erase_if(packs_, [](const auto& pack) { return pack.second.use_count() == 1; });
}

Result<PreparedStep> LoadedEngine::State::prepare(int step, const OpInstance& concrete,
                                                  int threads) {
  const std::string key = fmt::format("{}|{}|{}", step, threads, concrete.to_string());
  std::lock_guard lock(mutex_);
  auto it = prepared_.find(key);
  if (it == prepared_.end()) {
    PreparedStep loaded = LATHE_TRY(load(step, concrete, threads));
    if (prepared_.size() >= kShapesKept * plan.steps.size()) drop_oldest();
    it = prepared_.emplace(key, Kept{step, std::move(loaded), 0}).first;
  }
  it->second.used = ++clock_;
  return it->second.step;
}

// The one that was asked for longest ago, of those that no session holds.
void LoadedEngine::State::drop_oldest() {
  auto oldest = prepared_.end();
  for (auto it = prepared_.begin(); it != prepared_.end(); ++it) {
    if (it->second.step.prepared.use_count() > 1) continue;
    if (oldest == prepared_.end() || it->second.used < oldest->second.used) oldest = it;
  }
  if (oldest != prepared_.end()) prepared_.erase(oldest);
}

// What a pack of this constant is known by: its bytes' place, and its type, since tensors of
// several types may share bytes.
static uint64_t identity_of(const HostTensor& constant) {
  const auto place = reinterpret_cast<uintptr_t>(constant.bytes().data());
  return hash64(constant.type().to_string(), place);
}

Result<PreparedStep> LoadedEngine::State::load(int index, const OpInstance& concrete, int threads) {
  const Step& step = plan.steps[static_cast<size_t>(index)];
  Device& device = device_of(step);
  std::vector<HostTensor> constants(step.in.size());
  std::vector<uint64_t> ids(step.in.size(), 0);
  for (size_t k = 0; k < step.in.size(); ++k) {
    if (step.in[k] < 0) continue;
    const int32_t c = plan.tensors[static_cast<size_t>(step.in[k])].constant;
    if (c < 0) continue;
    constants[k] = plan.constants[static_cast<size_t>(c)];
    ids[k] = identity_of(constants[k]);
  }
  ThreadScope scope(threads);
  std::string reasons;
  auto try_tactic = [&](const Tactic& t, const Config& config,
                        std::span<const std::byte> blob) -> Result<PreparedStep> {
    if (Support s = t.supports(concrete, device.info()); !s) return unsupported("{}", s.why);
    std::unique_ptr<Prepared> p =
        LATHE_TRY(t.load({concrete, config, blob, constants, device, *packs, ids}));
    release_packed(*p, constants);
    return PreparedStep{std::move(p), &t};
  };
  std::span<const std::byte> blob;
  if (step.blob >= 0) blob = plan.blobs[static_cast<size_t>(step.blob)];
  auto applies = [&](const Tactic& t) { return t.op == "*" || t.op == concrete.def->name; };
  for (const Tactic* t : device.tactics()) {
    if (t->name != step.tactic || !applies(*t)) continue;
    Result<PreparedStep> r = try_tactic(*t, step.config, blob);
    if (r.ok()) return r;
    reasons += fmt::format("{}: {}; ", t->name, r.status().message());
    break;
  }
  for (const Tactic* t : device.tactics()) {
    if (!applies(*t) || t->source != nullptr) continue;
    if (t->name == step.tactic && step.config.empty()) continue;
    Result<PreparedStep> r = try_tactic(*t, {}, {});
    if (r.ok()) {
      const LogLevel level = t->op == "*" ? LogLevel::Warning : LogLevel::Info;
      log(level, "step '{}' runs by {} here: {}", step.name, t->name, reasons);
      return r;
    }
    reasons += fmt::format("{}: {}; ", t->name, r.status().message());
  }
  return unsupported("no tactic runs it at these sizes: {}", reasons);
}

Result<const void*> LoadedEngine::State::constant_data(int32_t constant, bool on_host,
                                                       Stream& stream) {
  const HostTensor& t = plan.constants[static_cast<size_t>(constant)];
  if (on_host || devices.main->is_host()) return static_cast<const void*>(t.bytes().data());
  std::lock_guard lock(mutex_);
  auto it = uploaded_.find(constant);
  if (it == uploaded_.end()) {
    std::unique_ptr<Memory> memory =
        LATHE_TRY(devices.main->allocate(std::max<size_t>(t.bytes().size(), 1)));
    LATHE_TRY(devices.main->upload(memory->data(), t.bytes().data(), t.bytes().size(), stream));
    LATHE_TRY(stream.synchronize());
    it = uploaded_.emplace(constant, std::move(memory)).first;
  }
  return static_cast<const void*>(it->second->data());
}

void LoadedEngine::State::release_packed(const Prepared& prepared,
                                         std::span<const HostTensor> constants) const {
  if (!release) return;
  for (size_t k = 0; k < constants.size() && k < 64; ++k) {
    const bool packed = ((prepared.plain_constants >> k) & 1) == 0;
    if (packed && !constants[k].empty()) release(constants[k].bytes());
  }
}

int64_t LoadedEngine::State::weight_bytes() {
  std::lock_guard lock(mutex_);
  int64_t total = 0;
  std::set<int32_t> read_in_place;  // constants that a step on the host reads as they are
  for (const auto& [key, kept] : prepared_) {
    const Prepared& prepared = *kept.step.prepared;
    total += static_cast<int64_t>(prepared.packed_bytes);
    const Step& step = plan.steps[static_cast<size_t>(kept.index)];
    if (!device_of(step).is_host()) continue;
    for (size_t k = 0; k < step.in.size(); ++k) {
      const bool packed = k < 64 && ((prepared.plain_constants >> k) & 1) == 0;
      if (packed || step.in[k] < 0) continue;
      const int32_t c = plan.tensors[static_cast<size_t>(step.in[k])].constant;
      if (c >= 0) read_in_place.insert(c);
    }
  }
  for (const auto& [id, memory] : uploaded_) total += static_cast<int64_t>(memory->size());
  for (int32_t id : read_in_place) {
    total += static_cast<int64_t>(plan.constants[static_cast<size_t>(id)].bytes().size());
  }
  return total;
}

Result<std::shared_ptr<LoadedEngine>> LoadedEngine::open(Plan plan, Devices devices,
                                                         Release release,
                                                         const LoadedEngine* shared) {
  LATHE_TRY(verify(plan));
  auto engine = std::make_shared<LoadedEngine>();
  engine->state_ = std::make_unique<State>();
  engine->state_->plan = std::move(plan);
  engine->state_->devices = devices;
  engine->state_->release = std::move(release);
  if (shared != nullptr) engine->state_->packs = shared->state_->packs;
  return engine;
}

LoadedEngine::LoadedEngine() = default;
LoadedEngine::~LoadedEngine() = default;
const Plan& LoadedEngine::plan() const { return state_->plan; }
void LoadedEngine::drop_unused_packs() { state_->packs->drop_unused(); }
int64_t LoadedEngine::weight_bytes() const { return state_->weight_bytes(); }

}  // namespace lathe
