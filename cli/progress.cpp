// SPDX-License-Identifier: Apache-2.0
#include "progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace lathe::cli {

ProgressBar::ProgressBar() : terminal_(::isatty(STDERR_FILENO) != 0) {}

ProgressBar::~ProgressBar() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
}

void ProgressBar::attach(BuildOptions& options) {
  options.progress = report;
  options.progress_user = this;
}

bool ProgressBar::report(void* self, const char* phase, double done) {
  static_cast<ProgressBar*>(self)->show(phase, done);
  return !interrupted();
}

void ProgressBar::show(const std::string& phase, double done) {
  const auto now = std::chrono::steady_clock::now();
  if (phase != phase_) {
    phase_ = phase;
    phase_begin_ = now;
    if (!terminal_) std::fprintf(stderr, "%s\n", phase.c_str());
  } else if (now - last_drawn_ < std::chrono::milliseconds(50)) {
    return;
  }
  if (!terminal_) return;
  last_drawn_ = now;
  drawn_ = true;
  constexpr int kWidth = 30;
  const int filled = static_cast<int>(done * kWidth);
  const double spent = std::chrono::duration<double>(now - phase_begin_).count();
  const std::string left =
      done > 0.02 ? fmt::format("{:.0f} s left", spent / done * (1 - done)) : "";
  fmt::print(stderr, "\r\x1b[K{:<12} [{:#<{}}{: <{}}] {}", phase, "", filled, "", kWidth - filled,
             left);
  std::fflush(stderr);
}

}  // namespace lathe::cli
