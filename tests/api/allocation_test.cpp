// SPDX-License-Identifier: Apache-2.0
// A run allocates nothing once its shape was run twice. This binary's malloc counts, and looks up
// the stack for who asked: Lathe may ask for nothing at all, and oneDNN, which builds a list of the
// arguments inside each execution, for nothing as large as a tensor.
#include <dlfcn.h>
#include <execinfo.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>

#include "demo_engine.h"

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace {

std::atomic<bool> counting = false;
std::atomic<int> ours = 0, of_libraries = 0, large = 0;
constexpr size_t kLarge = 2048;
thread_local bool looking = false;

// Whether oneDNN's or OpenMP's own code asked: the first on the stack that is no runtime library
// and, below the frames of this file's malloc, not this binary.
bool a_library_asked() {
  void* frames[24];
  const int n = ::backtrace(frames, 24);
  Dl_info here{}, at{};
  if (::dladdr(reinterpret_cast<void*>(&a_library_asked), &here) == 0) return false;
  bool in_hook = true;
  for (int k = 0; k < n; ++k) {
    if (::dladdr(frames[k], &at) == 0 || at.dli_fname == nullptr) continue;
    if (in_hook && at.dli_fbase == here.dli_fbase) continue;
    in_hook = false;
    const std::string_view name = at.dli_fname;
    const std::string_view file = name.substr(name.rfind('/') + 1);
    if (file.starts_with("libstdc++") || file.starts_with("libc.so")) continue;
    return file.starts_with("libdnnl") || file.starts_with("libgomp");
  }
  return false;
}

void count(size_t bytes) {
  if (!counting.load(std::memory_order_relaxed) || looking) return;
  looking = true;
  ++(a_library_asked() ? of_libraries : ours);
  if (bytes > kLarge) ++large;
  looking = false;
}

}  // namespace

// In the place of the C library's, for every library of the process.
extern "C" {
void* malloc(size_t n) { return count(n), __libc_malloc(n); }
void* calloc(size_t n, size_t size) { return count(n * size), __libc_calloc(n, size); }
void* realloc(void* p, size_t n) { return count(n), __libc_realloc(p, n); }
void* memalign(size_t align, size_t n) { return count(n), __libc_memalign(align, n); }
void* aligned_alloc(size_t align, size_t n) { return count(n), __libc_memalign(align, n); }
int posix_memalign(void** p, size_t align, size_t n) {
  count(n);
  *p = __libc_memalign(align, n);
  return *p == nullptr ? ENOMEM : 0;
}
}

namespace lathe::testing {
namespace {

// Two, whatever the machine has: where oneDNN uses a part of a larger team, OpenMP ends the other
// workers, and those that follow them make their scratch anew.
const Engine::OpenOptions kTwoThreads = [] {
  Engine::OpenOptions options;
  options.threads = 2;
  return options;
}();

void count_from_now() {
  void* frame = nullptr;
  (void)::backtrace(&frame, 1);  // loads what it needs the first time
  ours = of_libraries = large = 0;
  counting = true;
}

// A worker's own scratch is made when the worker first meets the work, and which one meets it is
// chance: a few runs more than the second may pass until each has its own.
void expect_none(Session& session, const char* what) {
  constexpr int kRuns = 10;
  for (int run = 0; run < kRuns; ++run) {
    count_from_now();
    const Status s = session.run();
    counting = false;
    EXPECT_TRUE(s.ok()) << s.message();
    if (ours == 0) break;
  }
  EXPECT_EQ(ours, 0) << what;
  EXPECT_EQ(large, 0) << what;
  std::printf("%s: %d small allocations inside oneDNN\n", what, of_libraries.load());
}

void expect_none_in_a_third_run(const char* network, std::vector<int64_t> shape) {
  const Engine engine = demo_engine(network);
  Result<Session> session = engine.open(kTwoThreads);
  ASSERT_TRUE(session.ok()) << session.status().message();
  ASSERT_TRUE(session->set_input("image", wave(std::move(shape))).ok());
  for (int run = 0; run < 2; ++run) ASSERT_TRUE(session->run().ok());
  expect_none(*session, network);
}

TEST(Allocation, IsCounted) {
  count_from_now();
  void* volatile small = std::malloc(10);  // volatile: a compiler may leave out what nobody sees
  int* volatile large_one = new int[10000];
  counting = false;
  std::free(small);
  delete[] large_one;
  EXPECT_EQ(ours, 2);
  EXPECT_EQ(large, 1);
}

TEST(Allocation, NoneAfterTheSecondRunOfAShape) {
  expect_none_in_a_third_run("digits.onnx", {3, 1, 8, 8});
  expect_none_in_a_third_run("upscale.onnx", {1, 3, 24, 16});
}

TEST(Allocation, NoneWhenAShapeComesBack) {
  const Engine engine = demo_engine("upscale.onnx");
  Result<Session> session = engine.open(kTwoThreads);
  const std::vector<int64_t> small = {1, 3, 16, 16}, wide = {1, 3, 16, 40};
  std::vector<float> image(3 * 16 * 40, 0.5f), result(image.size() * 4);
  ASSERT_TRUE(session->bind_output("upscaled", result.data(), result.size() * 4).ok());
  ASSERT_TRUE(session->bind_input("image", image.data(), image.size() * 4).ok());
  for (int round = 0; round < 2; ++round) {
    for (const auto* shape : {&wide, &small}) {
      ASSERT_TRUE(session->set_shape("image", *shape).ok());
      ASSERT_TRUE(session->run().ok());
    }
  }
  expect_none(*session, "the shape that ran last");
}

}  // namespace
}  // namespace lathe::testing
