// SPDX-License-Identifier: Apache-2.0
#pragma once
// Ctrl-C. A kernel that oneDNN generated may use its stack pointer for something else, and a
// signal's frame would be written over memory there: SIGINT is blocked in every thread that
// computes, and one that does nothing else waits for it.

namespace lathe::cli {

// For main, before any other thread is there.
void watch_for_interrupts();

// Whether Ctrl-C was pressed while an Interruptible lived.
bool interrupted();

// While one lives, Ctrl-C sets interrupted(), for the work to stop by itself. What has not stopped
// before a second is over is ended with the process. Without one the process ends at once.
class Interruptible {
 public:
  Interruptible();
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
};

}  // namespace lathe::cli
