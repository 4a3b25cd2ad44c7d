// SPDX-License-Identifier: Apache-2.0
#pragma once
// Signals of the program that Lathe runs in, kept away from threads that compute. Kernels that
// oneDNN generates for products use the stack pointer as any other register: the frame of a signal
// that arrives there, its handler may do nothing, is written over whatever memory that points to.

namespace lathe {

// While one lives, the calling thread takes no signal but those of its own faults; they wait. May
// be nested; only the outermost costs anything (two system calls).
class HeldSignals {
 public:
  HeldSignals();
  ~HeldSignals();
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
};

// For a thread that does nothing but compute: for the rest of its life.
void hold_signals_for_ever();

}  // namespace lathe
