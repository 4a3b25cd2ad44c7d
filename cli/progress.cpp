// SPDX-License-Identifier: Apache-2.0
#include "progress.h"

#include <fmt/format.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <string_view>

#include "command.h"

namespace lathe::cli {
namespace {

std::atomic<bool> interrupted = false;
// The build is over, and files may be written: nothing ends the process by force.
std::atomic<bool> finished = false;

void end_now(int) {
  static constexpr char kText[] = "\nlathe: cancelled\n";
  (void)!::write(STDERR_FILENO, kText, sizeof(kText) - 1);
  ::_exit(kMachine);
}

// The build sees the flag between two measurements. One of a large operation may take seconds, so
// the process ends by itself before that; a build writes no file until it is over.
void set_deadline(int milliseconds) {
  const itimerval in = {{0, 0}, {0, milliseconds * 1000}};
  (void)::setitimer(ITIMER_REAL, &in, nullptr);
}

void on_interrupt(int) {
  constexpr int kMilliseconds = 700;
  interrupted = true;
  if (!finished) set_deadline(kMilliseconds);
}

}  // namespace

ProgressBar::ProgressBar() : terminal_(::isatty(STDERR_FILENO) != 0) {
  interrupted = finished = false;
  std::signal(SIGALRM, end_now);
  old_handler_ = std::signal(SIGINT, on_interrupt);
}

ProgressBar::~ProgressBar() {
  set_deadline(0);
  std::signal(SIGALRM, SIG_DFL);
  if (drawn_) std::fputs("\r\x1b[K", stderr);
  std::signal(SIGINT, old_handler_ == SIG_ERR ? SIG_DFL : old_handler_);
}

void ProgressBar::attach(BuildOptions& options) {
  options.progress = report;
  options.progress_user = this;
}

bool ProgressBar::report(void* self, const char* phase, double done) {
  static_cast<ProgressBar*>(self)->show(phase, done);
  if (std::string_view(phase) == "done" && !interrupted) finished = true;
  return !interrupted;
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
