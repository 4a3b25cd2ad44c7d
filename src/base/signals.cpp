// SPDX-License-Identifier: Apache-2.0
#include "base/signals.h"

#include <pthread.h>

#include <csignal>
#include <initializer_list>

namespace lathe {
namespace {

thread_local int depth = 0;
thread_local sigset_t outside;

void hold(sigset_t* before) {
  sigset_t set;
  sigfillset(&set);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS}) {
    sigdelset(&set, fault);
  }
  (void)pthread_sigmask(SIG_BLOCK, &set, before);
}

}  // namespace

HeldSignals::HeldSignals() {
  if (depth++ == 0) hold(&outside);
}

HeldSignals::~HeldSignals() {
  if (--depth == 0) (void)pthread_sigmask(SIG_SETMASK, &outside, nullptr);
}

void hold_signals_for_ever() {
  thread_local bool held = false;
  if (held) return;
  held = true;
  hold(nullptr);
}

}  // namespace lathe
