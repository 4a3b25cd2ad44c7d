// SPDX-License-Identifier: Apache-2.0
#include "base/signals.h"

#include <gtest/gtest.h>
#include <omp.h>
#include <pthread.h>

#include <atomic>
#include <csignal>

#include "base/parallel.h"

namespace lathe {
namespace {

std::atomic<int> seen = 0;

bool takes(int signal) {
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return sigismember(&mask, signal) == 0;
}

TEST(HeldSignals, ArriveWhenTheOutermostLetsGo) {
  (void)std::signal(SIGUSR1, [](int) { ++seen; });
  {
    const HeldSignals outer;
    {
      const HeldSignals inner;
      (void)pthread_kill(pthread_self(), SIGUSR1);
    }
    EXPECT_EQ(seen, 0);
  }
  EXPECT_EQ(seen, 1);
  (void)pthread_kill(pthread_self(), SIGUSR1);
  EXPECT_EQ(seen, 2);
  (void)std::signal(SIGUSR1, SIG_DFL);
}

TEST(HeldSignals, AThreadsOwnFaultsAreNotHeld) {
  const HeldSignals held;
  EXPECT_FALSE(takes(SIGINT) || takes(SIGALRM) || takes(SIGPROF) || takes(SIGCHLD));
  EXPECT_TRUE(takes(SIGSEGV) && takes(SIGFPE) && takes(SIGABRT));
}

TEST(HeldSignals, ThreadsOfATeamTakeNone) {
  const ThreadScope scope(3);
  std::atomic<int> callers = 0, workers = 0, taking = 0;
  parallel_for(300, 1, [&](int64_t begin, int64_t) {
    if (begin == 0) {
      callers += takes(SIGINT);
    } else {
      ++workers;
      taking += takes(SIGINT);
    }
  });
  EXPECT_EQ(callers, 1);  // the calling thread is the program's
  EXPECT_EQ(workers, 2);
  EXPECT_EQ(taking, 0);
}

}  // namespace
}  // namespace lathe
