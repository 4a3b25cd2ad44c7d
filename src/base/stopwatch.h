// SPDX-License-Identifier: Apache-2.0
#pragma once
// Adds the seconds of its life to a sum.
//
//   const Stopwatch watch(seconds_checking);
#include <chrono>

namespace lathe {

class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds) {}
  Stopwatch(const Stopwatch&) = delete;
  ~Stopwatch() {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace lathe
