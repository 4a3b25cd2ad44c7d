// SPDX-License-Identifier: Apache-2.0
#pragma once
// Progress of a build on stderr: a bar with phase and time left on a terminal, a line for each
// phase elsewhere. Ctrl-C cancels the build within a second; nothing partial is left.
#include <chrono>
#include <string>

#include "interrupt.h"
#include "lathe/lathe.h"

namespace lathe::cli {

class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  void attach(BuildOptions& options);

 private:
  static bool report(void* self, const char* phase, double done);
  void show(const std::string& phase, double done);

  bool terminal_;
  std::string phase_;
  std::chrono::steady_clock::time_point phase_begin_, last_drawn_;
  bool drawn_ = false;
  Interruptible interruptible_;
};

}  // namespace lathe::cli
