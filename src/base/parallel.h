// SPDX-License-Identifier: Apache-2.0
#pragma once
// Loops over several threads: OpenMP's team of the calling thread, the one that oneDNN uses, so
// that the process has one set of threads for each session and not two.
//
//   ThreadScope threads(session.threads());
//   parallel_for(rows, 16, [&](int64_t begin, int64_t end) { ... });
#include <cstdint>
#include <type_traits>

#include "base/status.h"

namespace lathe {

// Whether a number that somebody gave is one of threads, or 0 for the default. More than the limit
// would overflow OpenMP's stack.
Status check_threads(int n);

// Calls body(context, begin, end) for parts that cover [0, n), each of at least `grain` but for
// rounding, one part for each thread at most. Returns when all are done. A call from within a
// part runs on that thread alone, and denormals are what they are to the caller. The body must not
// throw.
void parallel_for(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context);

template <class F>
void parallel_for(int64_t n, int64_t grain, F&& body) {
  using Body = std::remove_reference_t<F>;
  parallel_for(
      n, grain, [](void* f, int64_t begin, int64_t end) { (*static_cast<Body*>(f))(begin, end); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

// Threads that the calling thread's loops use: its ThreadScope's, else usable_cpus(); 1 inside
// a part.
int thread_count();

// Sets the calling thread's number for OpenMP and so for oneDNN; 0 means usable_cpus().
struct ThreadScope {
  explicit ThreadScope(int n);
  ~ThreadScope();
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int outer_scope_;
  int outer_openmp_;
};

}  // namespace lathe
