// SPDX-License-Identifier: Apache-2.0
#include "base/parallel.h"

#include <omp.h>

#include <algorithm>

#include "base/cpus.h"
#include "base/denormals.h"
#include "base/signals.h"

namespace lathe {
namespace {

thread_local int scope_threads = 0;  // 0: outside of any ThreadScope

// ThreadSanitizer does not see how libgomp's threads wait for each other: it is told, and does not
// watch the loop itself, whose variables they read before.
#ifdef __SANITIZE_THREAD__
#define LATHE_UNWATCHED __attribute__((no_sanitize("thread")))
extern "C" void __tsan_acquire(void*);
extern "C" void __tsan_release(void*);
char fork_of_team, join_of_team;
void before_team() { __tsan_release(&fork_of_team); }
void enter_team() { __tsan_acquire(&fork_of_team); }
void leave_team() { __tsan_release(&join_of_team); }
void after_team() { __tsan_acquire(&join_of_team); }
#else
#define LATHE_UNWATCHED
void before_team() {}
void enter_team() {}
void leave_team() {}
void after_team() {}
#endif

}  // namespace

Status check_threads(int n) {
  constexpr int kMost = 1024;
  if (n >= 0 && n <= kMost) return {};
  return invalid("threads: {} are given, expected 1 to {}, or 0 for what the container may use", n,
                 kMost);
}

int thread_count() {
  if (omp_in_parallel() != 0) return 1;
  return scope_threads > 0 ? scope_threads : usable_cpus();
}

LATHE_UNWATCHED void parallel_for(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t),
                                  void* context) {
  if (n <= 0) return;
  int64_t threads = thread_count();
  int64_t least = std::max<int64_t>(grain, 1);
  int64_t parts = std::min(threads, n / least + (n % least != 0 ? 1 : 0));
  if (parts <= 1) return body(context, 0, n);
  int64_t size = n / parts, longer = n % parts;
  // The whole team even for few parts: libgomp ends the threads that a smaller team leaves out
  // and starts new ones for the next loop.
  const bool flush = Denormals::flushed();
  before_team();
#pragma omp parallel num_threads(static_cast <int>(threads))
  {
    enter_team();
    if (omp_get_thread_num() != 0) hold_signals_for_ever();
    const Denormals as_the_caller(flush);
    // A runtime may grant fewer threads than asked for.
    for (int64_t i = omp_get_thread_num(); i < parts; i += omp_get_num_threads()) {
      int64_t begin = i * size + std::min(i, longer);
      body(context, begin, begin + size + (i < longer ? 1 : 0));
    }
    leave_team();
  }
  after_team();
}

ThreadScope::ThreadScope(int n)
    : outer_scope_(scope_threads), outer_openmp_(omp_get_max_threads()) {
  scope_threads = n > 0 ? n : usable_cpus();
  omp_set_num_threads(scope_threads);
}

ThreadScope::~ThreadScope() {
  scope_threads = outer_scope_;
  omp_set_num_threads(outer_openmp_);
}

}  // namespace lathe
