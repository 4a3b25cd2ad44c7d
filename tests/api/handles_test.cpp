// SPDX-License-Identifier: Apache-2.0
// What include/lathe answers to a program that uses it wrongly: an error, never a crash or a hang.
#include <cstdio>

#include "demo_engine.h"

namespace lathe::testing {
namespace {

Result<Session> demo_session() { return demo_engine("digits.onnx").open(); }

void expect_refused(const Status& status, const char* what) {
  EXPECT_EQ(status.code(), Code::InvalidInput) << status.message();
  EXPECT_NE(status.message().find(what), std::string::npos) << status.message();
}

TEST(Handles, ThatHoldNothingAnswer) {
  const Model model;
  EXPECT_TRUE(model.inputs().empty() && model.outputs().empty());
  EXPECT_EQ(model.node_count(), 0);
  expect_refused(Engine::build(model).status(), "the model is empty");
  const Engine engine;
  EXPECT_TRUE(engine.inputs().empty() && engine.steps().empty() && engine.device().empty());
  EXPECT_EQ(engine.weight_bytes() + engine.nodes_in_model(), 0);
  expect_refused(engine.open().status(), "the engine is empty");
  expect_refused(engine.serialize().status(), "the engine is empty");
  expect_refused(engine.save("/nowhere/x.engine"), "the engine is empty");
  expect_refused(engine.device_memory_size().status(), "the engine is empty");
  EXPECT_EQ(engine.profile("image").status().code(), Code::NotFound);
}

TEST(Handles, ThatWereMovedFromAnswer) {
  Result<Session> session = demo_session();
  const Session taken = std::move(*session);
  float values[64] = {};
  expect_refused(session->run(), "moved from");
  expect_refused(session->wait(), "moved from");
  expect_refused(session->run_async(nullptr, nullptr), "moved from");
  expect_refused(session->bind_input("image", values, sizeof(values)), "moved from");
  expect_refused(session->output("logits").status(), "moved from");
  EXPECT_EQ(session->memory().weights, 0);
}

TEST(Handles, AnInputWithoutValuesIsNotRun) {
  Result<Session> session = demo_session();
  expect_refused(session->run(), "no shape yet");
  const int64_t one[] = {1, 1, 8, 8}, two[] = {2, 1, 8, 8};
  ASSERT_TRUE(session->set_shape("image", one).ok());
  expect_refused(session->run(), "no values of 256 bytes");
  ASSERT_TRUE(session->set_input("image", wave({1, 1, 8, 8})).ok());
  EXPECT_TRUE(session->run().ok());
  ASSERT_TRUE(session->set_shape("image", two).ok());
  expect_refused(session->run(), "no values of 512 bytes");
  ASSERT_TRUE(session->bind_input("image", nullptr, 512).ok());
  expect_refused(session->run(), "no values of 512 bytes");
}

TEST(Handles, ShapesThatAreNoneAreRefused) {
  Result<Session> session = demo_session();
  expect_refused(session->set_shape("image", std::vector<int64_t>{1, 1, -8, 8}),
                 "input 'image': dimension 2 is given -8");
  for (const std::vector<int64_t>& sizes :
       {std::vector<int64_t>{1, 8}, std::vector<int64_t>{int64_t{1} << 62, 1, 8, 8}}) {
    (void)session->set_shape("image", sizes);
    EXPECT_FALSE(session->output_shape("logits").ok());
    EXPECT_FALSE(session->run().ok());
  }
}

TEST(Handles, NumbersOfThreadsThatAreNone) {
  const Engine engine = demo_engine("digits.onnx");
  for (int threads : {-1, 1025, 1000000}) {
    Engine::OpenOptions open;
    open.threads = threads;
    expect_refused(engine.open(open).status(), "expected 1 to 1024");
    BuildOptions build = quick_options();
    build.threads = threads;
    expect_refused(Engine::build(demo_model("digits.onnx"), build).status(), "expected 1 to 1024");
  }
}

TEST(Handles, ACallbackMayNotWaitForItself) {
  Result<Session> session = demo_session();
  ASSERT_TRUE(session->set_input("image", wave({1, 1, 8, 8})).ok());
  struct Seen {
    Session* session;
    Status waited, ran;
  } seen{&*session, {}, {}};
  auto done = [](void* user, const Status&) {
    auto* s = static_cast<Seen*>(user);
    s->waited = s->session->wait();
    s->ran = s->session->run();
  };
  ASSERT_TRUE(session->run_async(done, &seen).ok());
  EXPECT_TRUE(session->wait().ok());
  expect_refused(seen.waited, "wait() in the callback");
  expect_refused(seen.ran, "running in the background");
}

TEST(Handles, AProfileNeedsAFunction) {
  Result<Session> session = demo_session();
  ASSERT_TRUE(session->set_input("image", wave({1, 1, 8, 8})).ok());
  expect_refused(session->profile(nullptr, nullptr), "a function");
}

TEST(Handles, TensorsOfEveryTypeHaveDoublesOrNone) {
  for (int type = 0; type <= static_cast<int>(Type::U2); ++type) {
    const Tensor t = *Tensor::make(static_cast<Type>(type), {3});
    const bool real = t.type() != Type::String && t.type() != Type::C64 && t.type() != Type::C128;
    EXPECT_EQ(t.to_doubles().size(), real ? 3u : 0u) << to_string(t.type());
  }
}

TEST(Handles, TensorsAreWrittenByTheEnding) {
  const std::string file = ::testing::TempDir() + "tensor.txt";
  expect_refused(write_tensor(file, wave({2})), "ends in .npy or .pb");
  EXPECT_EQ(std::fopen(file.c_str(), "rb"), nullptr);
}

}  // namespace
}  // namespace lathe::testing
