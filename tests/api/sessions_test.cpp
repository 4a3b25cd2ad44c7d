// SPDX-License-Identifier: Apache-2.0
// What include/lathe promises of sessions.
#include <atomic>
#include <thread>

#include "demo_engine.h"

namespace lathe::testing {
namespace {

TEST(Sessions, OfOneEngineInParallelThreadsGiveTheSameBits) {
  const Engine engine = demo_engine("upscale.onnx");
  const Tensor image = wave({1, 3, 20, 24});
  Engine::OpenOptions options;
  options.threads = 1;
  Result<Session> alone = engine.open(options);
  ASSERT_TRUE(alone.ok()) << alone.status().message();
  const std::vector<std::byte> expected = run_once(*alone, image, "upscaled");
  std::atomic<int> same = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Result<Session> session = engine.open(options);
      if (!session.ok()) return;
      for (int run = 0; run < 3; ++run) {
        // Another shape in between: each session resolves its shapes by itself.
        (void)run_once(*session, wave({1, 3, 8 + t, 12}), "upscaled");
        same += run_once(*session, image, "upscaled") == expected;
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(same, 12);
}

TEST(Sessions, GiveTheSameBitsEachTime) {
  const Engine engine = demo_engine("digits.onnx");
  Result<Session> session = engine.open();
  ASSERT_TRUE(session.ok()) << session.status().message();
  const std::vector<std::byte> first = run_once(*session, wave({5, 1, 8, 8}), "logits");
  for (int run = 0; run < 5; ++run) {
    EXPECT_EQ(run_once(*session, wave({5, 1, 8, 8}), "logits"), first);
  }
}

TEST(Sessions, AnEmptyBatchGivesAnEmptyResult) {
  const Engine engine = demo_engine("digits.onnx");
  Result<Session> session = engine.open();
  ASSERT_TRUE(session.ok()) << session.status().message();
  ASSERT_TRUE(session->set_input("image", wave({0, 1, 8, 8})).ok());
  Status s = session->run();
  ASSERT_TRUE(s.ok()) << s.message();
  EXPECT_EQ(session->output("logits")->shape(), (std::vector<int64_t>{0, 10}));
}

TEST(Sessions, UseTheCallersMemory) {
  const Engine engine = demo_engine("digits.onnx");
  Result<Session> session = engine.open();
  ASSERT_TRUE(session.ok()) << session.status().message();
  const Tensor image = wave({2, 1, 8, 8});
  const std::vector<std::byte> expected = run_once(*session, image, "logits");
  std::vector<float> logits(20, -1.0f);
  ASSERT_TRUE(session->set_shape("image", std::vector<int64_t>{2, 1, 8, 8}).ok());
  ASSERT_TRUE(session->bind_input("image", image.bytes().data(), image.bytes().size()).ok());
  ASSERT_TRUE(session->bind_output("logits", logits.data(), logits.size() * sizeof(float)).ok());
  Status s = session->run();
  ASSERT_TRUE(s.ok()) << s.message();
  EXPECT_EQ(std::memcmp(logits.data(), expected.data(), expected.size()), 0);
}

TEST(Sessions, RefuseMemoryThatIsTooSmall) {
  const Engine engine = demo_engine("digits.onnx");
  Result<Session> session = engine.open();
  const Tensor image = wave({2, 1, 8, 8});
  ASSERT_TRUE(session->set_shape("image", std::vector<int64_t>{2, 1, 8, 8}).ok());
  ASSERT_TRUE(session->bind_input("image", image.bytes().data(), 64).ok());
  const Status s = session->run();
  EXPECT_EQ(s.code(), Code::InvalidInput);
  EXPECT_EQ(s.message(), "input 'image': 64 bytes are bound, 512 are needed");
}

struct Finished {
  std::atomic<int> calls = 0;
  std::atomic<bool> fine = false;
};

TEST(Sessions, RunInTheBackground) {
  const Engine engine = demo_engine("digits.onnx");
  Result<Session> session = engine.open();
  const std::vector<std::byte> expected = run_once(*session, wave({2, 1, 8, 8}), "logits");
  Finished finished;
  auto done = [](void* user, const Status& status) {
    auto* f = static_cast<Finished*>(user);
    f->fine = status.ok();
    ++f->calls;
  };
  for (int run = 1; run <= 3; ++run) {
    Status s = session->run_async(done, &finished);
    ASSERT_TRUE(s.ok()) << s.message();
    s = session->wait();
    ASSERT_TRUE(s.ok()) << s.message();
    EXPECT_EQ(finished.calls, run);
    EXPECT_TRUE(finished.fine);
  }
  EXPECT_EQ(bytes_of(*session->output("logits")), expected);
}

TEST(Sessions, NameWhatIsWrongWithAnInput) {
  const Engine engine = demo_engine("digits.onnx");
  Result<Session> session = engine.open();
  const Status name = session->set_input("images", wave({1, 1, 8, 8}));
  EXPECT_EQ(name.message(), "no input is named 'images': there are image");
  EXPECT_EQ(session->set_input("image", *Tensor::make(Type::I64, {1, 1, 8, 8})).message(),
            "input 'image': the tensor is i64, expected f32");
  (void)session->set_input("image", wave({1, 1, 8, 9}));
  const Status shape = session->run();
  EXPECT_EQ(shape.message(), "input 'image': dimension 3 is 9, expected 8");
  (void)session->set_input("image", wave({1, 8, 8}));
  EXPECT_EQ(session->run().code(), Code::InvalidInput);
  EXPECT_EQ(session->output("logit").status().code(), Code::NotFound);
  // A session goes on after an error.
  EXPECT_EQ(run_once(*session, wave({1, 1, 8, 8}), "logits").size(), 40u);
}

TEST(Sessions, TimeEachStep) {
  const Engine engine = demo_engine("digits.onnx");
  Result<Session> session = engine.open();
  (void)run_once(*session, wave({1, 1, 8, 8}), "logits");
  int steps = 0;
  Status s = session->profile(
      [](void* user, int index, double seconds) {
        EXPECT_EQ(index, (*static_cast<int*>(user))++);
        EXPECT_GE(seconds, 0);
      },
      &steps);
  ASSERT_TRUE(s.ok()) << s.message();
  EXPECT_EQ(static_cast<size_t>(steps), engine.steps().size());
}

TEST(Building, StopsWhenTheCallbackSaysSo) {
  BuildOptions options = quick_options();
  options.tune = true;
  options.progress = [](void*, const char*, double) { return false; };
  const Result<Engine> engine = Engine::build(demo_model("digits.onnx"), options);
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.status().code(), Code::Cancelled);
}

}  // namespace
}  // namespace lathe::testing
