// SPDX-License-Identifier: Apache-2.0
#pragma once
// oneDNN behind one door: versions 2.6 (descriptors of operations) and 3.x, exceptions caught,
// its plain reference implementations never offered.
//
//   std::vector<std::string> names = implementations(spec);     // fastest expectation first
//   auto conv = LATHE_TRY(OnednnPrimitive::make(spec, names[0]));
//   LATHE_TRY(conv->run({.src = x, .weights = w, .dst = y, .scratchpad = s}));
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/cpu/dnnl/specs.h"
#include "base/status.h"

namespace lathe::cpu {

std::string onednn_version();  // "onednn 2.6.3", of the library that runs

// The implementations that oneDNN has for this problem, each name once, without its slow
// references; empty when there is none. At most `limit`.
std::vector<std::string> implementations(const Spec& spec, size_t limit = 3);

// A primitive made once for the calling thread's number of threads, run by any thread.
class OnednnPrimitive {
 public:
  struct Args {
    const void* src = nullptr;
    const void* weights = nullptr;  // packed when packs_weights()
    const void* bias = nullptr;
    void* dst = nullptr;
    std::span<const void* const> post;  // by post-op; null where it reads nothing
    void* scratchpad = nullptr;
  };

  // `implementation`: one of implementations(), empty for the first.
  static Result<std::unique_ptr<OnednnPrimitive>> make(const Spec& spec,
                                                       std::string_view implementation);
  ~OnednnPrimitive();

  const std::string& implementation() const;  // "brgconv:avx512_core"
  size_t scratchpad_bytes() const;
  bool packs_weights() const;  // the library's layout differs from the plain one
  size_t weights_bytes() const;
  // Equal for two primitives whose packed weights can be shared.
  const std::string& weights_key() const;
  // From `plain` (the spec's weights but for the type) into weights_bytes() at `to`.
  Status pack(const MemorySpec& plain, const void* from, void* to) const;
  Status run(const Args& args) const;

 private:
  struct State;
  explicit OnednnPrimitive(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace lathe::cpu
