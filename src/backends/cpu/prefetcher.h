// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory that will be read next, fetched a few lines at a time between the steps of a loop: all at
// once it would hold the buffers through which the loop's own operands come.
#include <cstdint>

namespace lathe::cpu {

class Prefetcher {
 public:
  // `lines` of 64 bytes from `at` on, null: none; to the second-level cache, over so many steps.
  Prefetcher(const void* at, int64_t lines, int64_t steps)
      : at_(static_cast<const char*>(at)),
        end_(at_ + lines * kLine),
        of_step_((lines + steps - 1) / steps * kLine) {}
  void step() {
    const char* const until = end_ - at_ < of_step_ ? end_ : at_ + of_step_;
    for (; at_ < until; at_ += kLine) __builtin_prefetch(at_, /*rw=*/0, /*locality=*/2);
  }

 private:
  static constexpr int64_t kLine = 64;
  const char *at_, *end_;
  int64_t of_step_;
};

}  // namespace lathe::cpu
