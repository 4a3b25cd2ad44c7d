// SPDX-License-Identifier: Apache-2.0
// A run allocates no buffer once its shape was run twice. This binary's malloc counts. oneDNN makes
// the objects of a primitive's arguments anew at each execution, none larger than kSmall.
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
std::atomic<int> allocations = 0;

constexpr size_t kSmall = 2048;

void count(size_t bytes) {
  if (bytes > kSmall && counting.load(std::memory_order_relaxed))
    allocations.fetch_add(1, std::memory_order_relaxed);
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

int allocations_of_a_third_run(const char* network, std::vector<int64_t> shape) {
  const Engine engine = demo_engine(network);
  Result<Session> session = engine.open();
  EXPECT_TRUE(session.ok()) << session.status().message();
  EXPECT_TRUE(session->set_input("image", wave(std::move(shape))).ok());
  for (int run = 0; run < 2; ++run) EXPECT_TRUE(session->run().ok());
  allocations = 0;
  counting = true;
  const Status s = session->run();
  counting = false;
  EXPECT_TRUE(s.ok()) << s.message();
  return allocations;
}

TEST(Allocation, IsCounted) {
  counting = true;
  allocations = 0;
  std::free(std::malloc(10000));
  delete[] new int[10000];
  counting = false;
  EXPECT_GE(allocations, 1);
}

TEST(Allocation, NoneAfterTheSecondRunOfAShape) {
  EXPECT_EQ(allocations_of_a_third_run("digits.onnx", {3, 1, 8, 8}), 0);
  EXPECT_EQ(allocations_of_a_third_run("upscale.onnx", {1, 3, 24, 16}), 0);
}

}  // namespace
}  // namespace lathe::testing
