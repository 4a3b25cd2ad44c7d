// SPDX-License-Identifier: Apache-2.0
#include "interrupt.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <system_error>
#include <thread>

#include "command.h"

namespace lathe::cli {
namespace {

// A measurement of a large operation may take seconds; the promise is one, with time to spare.
constexpr auto kPatience = std::chrono::milliseconds(700);
constexpr auto kGlance = std::chrono::milliseconds(5);

std::atomic<bool> asked = false;
std::atomic<int> working = 0;

sigset_t interrupts() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  return set;
}

// As if nobody had watched: the parent sees that a signal ended us.
void die_of_interrupt() {
  const sigset_t set = interrupts();
  (void)std::signal(SIGINT, SIG_DFL);
  (void)pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  (void)std::raise(SIGINT);
}

// No destructor runs: a build writes no file until it is over.
void end_process() {
  static constexpr char kText[] = "\nlathe: cancelled\n";
  (void)!::write(STDERR_FILENO, kText, sizeof(kText) - 1);
  ::_exit(kMachine);
}

void watch() {
  const sigset_t set = interrupts();
  while (true) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    if (working == 0) die_of_interrupt();
    asked = true;
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (working > 0 && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(kGlance);
    if (working > 0) end_process();
  }
}

}  // namespace

void watch_for_interrupts() {
  const sigset_t set = interrupts();
  if (pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0) return;
  try {
    std::thread(watch).detach();
  } catch (const std::system_error&) {  // no thread is to be had: as ever
    (void)pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  }
}

bool interrupted() { return asked; }

Interruptible::Interruptible() { ++working; }
Interruptible::~Interruptible() { --working; }

}  // namespace lathe::cli
