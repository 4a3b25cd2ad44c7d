// SPDX-License-Identifier: Apache-2.0
// Sessions on streams of the caller's, with the caller's device memory, in the caller's CUDA graph.
// Needs a GPU (skipped without one). The driver is called as a program without CUDA's headers
// would call it.
#include <dlfcn.h>

#include "demo_engine.h"

namespace lathe::testing {
namespace {

using Handle = void*;

// What the test itself needs of libcuda.so.1; every function returns 0 when it worked.
struct Cuda {
  int (*create_stream)(Handle*, unsigned);
  int (*destroy_stream)(Handle);
  int (*synchronize)(Handle);
  int (*allocate)(Handle*, size_t);
  int (*release)(Handle);
  int (*upload)(Handle, const void*, size_t);
  int (*download)(void*, Handle, size_t);
  int (*begin_capture)(Handle, int);
  int (*end_capture)(Handle, Handle*);
  int (*instantiate)(Handle*, Handle, unsigned long long);
  int (*launch)(Handle, Handle);
  int (*retain)(Handle*, int);
  int (*set_current)(Handle);
  int (*free_bytes)(size_t*, size_t*);

  template <class F>
  static bool find(void* library, const char* symbol, F& into) {
    into = reinterpret_cast<F>(dlsym(library, symbol));
    return into != nullptr;
  }
  bool open() {
    void* so = dlopen("libcuda.so.1", RTLD_NOW);
    int (*init)(unsigned) = nullptr;
    return so != nullptr && find(so, "cuInit", init) && init(0) == 0 &&
           find(so, "cuStreamCreate", create_stream) &&
           find(so, "cuStreamDestroy_v2", destroy_stream) &&
           find(so, "cuStreamSynchronize", synchronize) && find(so, "cuMemAlloc_v2", allocate) &&
           find(so, "cuMemFree_v2", release) && find(so, "cuMemcpyHtoD_v2", upload) &&
           find(so, "cuMemcpyDtoH_v2", download) &&
           find(so, "cuStreamBeginCapture_v2", begin_capture) &&
           find(so, "cuStreamEndCapture", end_capture) &&
           find(so, "cuGraphInstantiateWithFlags", instantiate) &&
           find(so, "cuGraphLaunch", launch) && find(so, "cuDevicePrimaryCtxRetain", retain) &&
           find(so, "cuCtxSetCurrent", set_current) && find(so, "cuMemGetInfo_v2", free_bytes);
  }
};

class Streams : public ::testing::Test {
 protected:
  void SetUp() override {
    Handle context = nullptr;
    if (!cuda.open() || cuda.retain(&context, 0) != 0) GTEST_SKIP() << "no NVIDIA GPU";
    ASSERT_EQ(cuda.set_current(context), 0);
    BuildOptions options = quick_options();
    options.device = "cuda";
    Result<Engine> built = Engine::build(demo_model("digits.onnx"), options);
    if (!built.ok()) GTEST_SKIP() << built.status().message();
    engine = *std::move(built);
    ASSERT_EQ(cuda.create_stream(&stream, 1), 0);
    ASSERT_EQ(cuda.allocate(&x, kBytesIn), 0);
    ASSERT_EQ(cuda.allocate(&y, kBytesOut), 0);
  }

  // A session bound to x and y.
  Session open() {
    Result<Session> session = engine.open();
    EXPECT_TRUE(session.ok()) << session.status().message();
    EXPECT_TRUE(session->set_shape("image", std::vector<int64_t>{kBatch, 1, 8, 8}).ok());
    EXPECT_TRUE(session->bind_input("image", x, kBytesIn, true).ok());
    EXPECT_TRUE(session->bind_output("logits", y, kBytesOut, true).ok());
    return *std::move(session);
  }
  void put(int phase) {
    const Tensor image = wave({kBatch, 1, 8, 8}, phase);
    ASSERT_EQ(cuda.upload(x, image.bytes().data(), kBytesIn), 0);
    const std::vector<std::byte> poison(kBytesOut, std::byte{0xFF});
    ASSERT_EQ(cuda.upload(y, poison.data(), kBytesOut), 0);
  }
  std::vector<std::byte> got() {
    std::vector<std::byte> bytes(kBytesOut);
    EXPECT_EQ(cuda.synchronize(stream), 0);
    EXPECT_EQ(cuda.download(bytes.data(), y, kBytesOut), 0);
    return bytes;
  }
  std::vector<std::byte> expected(int phase) {
    Result<Session> session = engine.open();
    return run_once(*session, wave({kBatch, 1, 8, 8}, phase), "logits");
  }

  static constexpr int64_t kBatch = 3;
  static constexpr size_t kBytesIn = kBatch * 64 * 4, kBytesOut = kBatch * 10 * 4;
  Cuda cuda{};
  Engine engine;
  Handle stream = nullptr, x = nullptr, y = nullptr;
};

TEST_F(Streams, OfTheCallersRunInOrder) {
  EXPECT_TRUE(engine.inputs()[0].on_device);
  Session session = open();
  ASSERT_TRUE(session.set_stream(stream).ok());
  for (int phase = 0; phase < 4; ++phase) {  // uncaptured, captured, replayed
    put(phase);
    const Status s = session.enqueue();
    ASSERT_TRUE(s.ok()) << s.message();
    EXPECT_EQ(got(), expected(phase)) << phase;
  }
}

TEST_F(Streams, OfTheDefaultWorkToo) {
  Session session = open();
  ASSERT_TRUE(session.set_stream(nullptr).ok());
  for (int phase = 0; phase < 3; ++phase) {
    put(phase);
    ASSERT_TRUE(session.enqueue().ok());
    ASSERT_TRUE(session.wait().ok());
    EXPECT_EQ(got(), expected(phase));
  }
}

TEST_F(Streams, RecordARunIntoTheCallersGraph) {
  Session session = open();
  ASSERT_TRUE(session.set_stream(stream).ok());
  put(0);
  ASSERT_TRUE(session.enqueue().ok());
  ASSERT_EQ(cuda.synchronize(stream), 0);
  ASSERT_EQ(cuda.begin_capture(stream, 0), 0);  // global: the strictest
  const Status s = session.enqueue();
  Handle graph = nullptr, exec = nullptr;
  ASSERT_EQ(cuda.end_capture(stream, &graph), 0);
  ASSERT_TRUE(s.ok()) << s.message();
  ASSERT_EQ(cuda.instantiate(&exec, graph, 0), 0);
  for (int phase = 1; phase < 4; ++phase) {
    put(phase);
    ASSERT_EQ(cuda.launch(exec, stream), 0);
    EXPECT_EQ(got(), expected(phase));
  }
}

TEST_F(Streams, RefuseToRecordWhatNeverRan) {
  Session session = open();
  ASSERT_TRUE(session.set_stream(stream).ok());
  ASSERT_EQ(cuda.begin_capture(stream, 0), 0);
  const Status s = session.enqueue();
  Handle graph = nullptr;
  EXPECT_EQ(cuda.end_capture(stream, &graph), 0);  // the capture is not spoilt
  EXPECT_EQ(s.code(), Code::InvalidInput);
  EXPECT_TRUE(s.cure().starts_with("run once")) << s.message();
  put(1);
  ASSERT_TRUE(session.enqueue().ok());
  EXPECT_EQ(got(), expected(1));
}

TEST_F(Streams, OfTheCallersMayEndBeforeTheSession) {
  Handle other = nullptr;
  ASSERT_EQ(cuda.create_stream(&other, 0), 0);
  Session session = open();
  ASSERT_TRUE(session.set_stream(other).ok());
  put(2);
  ASSERT_TRUE(session.enqueue().ok());
  ASSERT_EQ(cuda.synchronize(other), 0);
  EXPECT_EQ(got(), expected(2));
  ASSERT_EQ(cuda.destroy_stream(other), 0);
  ASSERT_TRUE(session.set_stream(stream).ok());
  put(3);
  ASSERT_TRUE(session.enqueue().ok());
  EXPECT_EQ(got(), expected(3));
  // Work is still queued when its stream is destroyed, and the session behind it.
  Session last = open();
  ASSERT_EQ(cuda.create_stream(&other, 1), 0);
  ASSERT_TRUE(last.set_stream(other).ok());
  ASSERT_TRUE(last.enqueue().ok());
  ASSERT_EQ(cuda.destroy_stream(other), 0);
}

TEST_F(Streams, RunInDeviceMemoryOfTheCallers) {
  Session session = open();
  ASSERT_TRUE(session.set_stream(stream).ok());
  const Result<int64_t> need = session.device_memory_size();
  ASSERT_TRUE(need.ok()) << need.status().message();
  Handle memory[2] = {};
  for (Handle& m : memory) ASSERT_EQ(cuda.allocate(&m, static_cast<size_t>(*need)), 0);
  for (int phase = 0; phase < 6; ++phase) {  // three runs in each
    ASSERT_TRUE(session.set_device_memory(memory[phase / 3], static_cast<size_t>(*need)).ok());
    put(phase);
    ASSERT_TRUE(session.enqueue().ok());
    EXPECT_EQ(got(), expected(phase));
  }
  ASSERT_TRUE(session.set_device_memory(memory[0], static_cast<size_t>(*need - 1)).ok());
  EXPECT_EQ(session.enqueue().code(), Code::InvalidInput);
}

TEST_F(Streams, TakeNoDeviceMemoryAfterTheSecondRun) {
  Session session = open();
  ASSERT_TRUE(session.set_stream(stream).ok());
  size_t before = 0, after = 0, total = 0;
  for (int run = 0; run < 3; ++run) ASSERT_TRUE(session.enqueue().ok());
  ASSERT_EQ(cuda.synchronize(stream), 0);
  ASSERT_EQ(cuda.free_bytes(&before, &total), 0);
  for (int run = 0; run < 50; ++run) ASSERT_TRUE(session.enqueue().ok());
  ASSERT_EQ(cuda.synchronize(stream), 0);
  ASSERT_EQ(cuda.free_bytes(&after, &total), 0);
  EXPECT_EQ(before, after);
}

}  // namespace
}  // namespace lathe::testing
