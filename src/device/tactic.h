// SPDX-License-Identifier: Apache-2.0
#pragma once
// A tactic: one way to run an OpInstance on a device, in five functions. It sees concrete shapes
// only; a session that meets a new shape asks `supports` again and falls to the next tactic.
//
// Adding one: a file in backends/<device>/tactics/ that defines `const Tactic& NAME()` and a line
// in its tactics.def. tactics.def is ordered, fastest expectation first, the reference last.
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "device/device.h"
#include "ops/op.h"

namespace lathe {

// Yes, or no with a sentence that `--why` prints.
struct Support {
  bool ok = true;
  std::string why;  // of a no; of a yes what is left out all the same
  static Support yes() { return {}; }
  static Support no(std::string reason) { return {false, std::move(reason)}; }
  explicit operator bool() const { return ok; }
};

// A tactic's parameters as text, "block=128 stages=3"; empty: it has none.
using Config = std::string;

// Whether the config lets operands of F32 be rounded to TF32 (10 bits behind the point): "tf32=1".
// The config alone says so, since it is what an engine keeps.
bool allows_tf32(const Config& config);

// Where a launch reads and writes. Pointers are device memory (host memory on the CPU); a sliced
// operand or output points at its own first element inside the larger tensor. null: absent, or a
// constant that the tactic packed at load.
struct Buffers {
  std::span<void* const> in;
  std::span<void* const> out;
  void* workspace = nullptr;
};

// A loaded tactic: module, primitive, packed weights. Immutable: sessions in other threads launch
// it at the same time, each with its own buffers and stream.
class Prepared {
 public:
  virtual ~Prepared() = default;
  virtual Status launch(const Buffers& at, Stream& stream) const = 0;
  size_t workspace_bytes = 0;
  size_t packed_bytes = 0;  // memory held for packed weights
  bool capturable = true;   // false: launch waits for the device or works on the host
  uint64_t plain_constants =
      ~uint64_t{0};  // bit k: launch reads constant operand k from Buffers.in
};

// Packed weights shared by the shapes of one step and by equal steps. Thread-safe.
class PackCache {
 public:
  virtual ~PackCache() = default;
  // The value made under `key` before, or what `make` returns now (under a lock).
  virtual Result<std::shared_ptr<void>> get(const std::string& key,
                                            Result<std::shared_ptr<void>> (*make)(void*),
                                            void* state) = 0;
  template <class F>
  Result<std::shared_ptr<void>> get(const std::string& key, F& make) {
    return get(
        key, [](void* f) -> Result<std::shared_ptr<void>> { return (*static_cast<F*>(f))(); },
        &make);
  }
  // The same of weights that `make` packs into memory.
  template <class F>
  Result<std::shared_ptr<Memory>> get_memory(const std::string& key, F& make) {
    auto any = [&]() -> Result<std::shared_ptr<void>> {
      std::shared_ptr<Memory> memory = LATHE_TRY(make());
      return std::static_pointer_cast<void>(std::move(memory));
    };
    auto memory = std::static_pointer_cast<Memory>(LATHE_TRY(get(key, any)));
    took(memory);
    return memory;
  }
  // The same, of `bytes` that `fill(void* to)` writes.
  template <class F>
  Result<std::shared_ptr<Memory>> get_packed(const std::string& key, Device& device, size_t bytes,
                                             F&& fill) {
    auto make = [&]() -> Result<std::shared_ptr<Memory>> {
      std::shared_ptr<Memory> memory = LATHE_TRY(device.allocate(bytes));
      LATHE_TRY(fill(memory->data()));
      return memory;
    };
    return get_memory(key, make);
  }

 private:
  virtual void took(const std::shared_ptr<Memory>&) {}
};

struct LoadContext {
  const OpInstance& op;
  const Config& config;
  std::span<const std::byte> blob;        // what `source` compiled to (cubin); may be empty
  std::span<const HostTensor> constants;  // by operand; empty tensor: not a constant
  Device& device;
  PackCache& cache;
  std::span<const uint64_t> constant_ids = {};  // by operand: identity for cache keys
};

struct Tactic {
  std::string_view name;  // "onednn_conv"; unique in its backend
  std::string_view op;    // the anchor operator it runs; "*": any (the reference)
  std::string_view doc;   // one line for docs/tactics.md
  Support (*supports)(const OpInstance& op, const DeviceInfo& device) = nullptr;
  // Several candidates to time; null: one, the empty config. In order of expectation.
  std::vector<Config> (*configs)(const OpInstance& op, const DeviceInfo& device) = nullptr;
  // Device code text to compile for this instance and config; null: none needed. Sizes reach the
  // kernel as arguments: the text may depend on types, ranks, attributes, expressions and config
  // only, because a session runs it at every shape that `supports` accepts.
  Result<std::string> (*source)(const OpInstance& op, const Config& config,
                                const DeviceInfo& device) = nullptr;
  Result<std::unique_ptr<Prepared>> (*load)(const LoadContext& context) = nullptr;
  // Whether output `out` may be the very memory of operand `in` (equal sizes are checked outside).
  bool (*may_alias)(const OpInstance& op, int in, int out) = nullptr;
  // Expected seconds, the prior that prunes and that --no-tune uses; null: the cost model's.
  double (*expect)(const OpInstance& op, const Config& config, const DeviceInfo& device) = nullptr;
  // Bump when results or speed change, so that old timing cache entries are not believed.
  int version = 1;
  // Layouts in which the tactic works beyond what `supports` is asked: hints for layout assignment.
  bool any_layout = false;  // elementwise in memory order: all tensors in one layout
};

// Whether the tactic runs the operator's reference and nothing else, which needs no check: one for
// any operator, and by its config where it has several.
constexpr std::string_view kReferenceConfig = "reference=1";
inline bool is_plain_reference(const Tactic& tactic, const Config& config) {
  return tactic.op == "*" && (tactic.configs == nullptr || config == kReferenceConfig);
}

// Memory strides, in elements, that a tactic must use for operand or output `k` of a concrete
// instance: dense in its layout, or those of the larger tensor where a slice says so.
// RowMajor and ChannelsLast only.
std::vector<int64_t> operand_strides(const OpInstance& op, int k);
std::vector<int64_t> result_strides(const OpInstance& op, int k);

// The cost model's seconds: flops and bytes against the device's peaks, plus a launch.
double model_seconds(const OpInstance& op, const DeviceInfo& device);

}  // namespace lathe
