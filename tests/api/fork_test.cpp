// SPDX-License-Identifier: Apache-2.0
// A process that loaded an engine and ran nothing may fork; its children run.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "demo_engine.h"

namespace lathe::testing {
namespace {

// What `child` returns, in a process of its own; -1 when it died.
template <class F>
int in_a_child(F&& child) {
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::alarm(60);  // a child that hangs is a failure, not a hang of the test
    ::_exit(child());
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int run_matches(const Engine& engine, float expected) {
  Result<Session> session = engine.open();
  if (!session.ok() || !session->set_input("image", wave({1, 1, 8, 8})).ok()) return 2;
  if (!session->run().ok()) return 3;
  Result<Tensor> y = session->output("logits");
  return y.ok() && y->data<float>()[0] == expected ? 0 : 4;
}

// Building runs threads, so that is done by a child as well.
TEST(Fork, ChildrenRunAnEngineThatTheParentLoaded) {
  const std::string file = ::testing::TempDir() + "fork.engine";
  const std::string result = file + ".npy";
  ASSERT_EQ(in_a_child([&] {
              const Engine engine = demo_engine("digits.onnx");
              Result<Session> session = engine.open();
              (void)run_once(*session, wave({1, 1, 8, 8}), "logits");
              return engine.save(file).ok() && write_tensor(result, *session->output("logits")).ok()
                         ? 0
                         : 1;
            }),
            0);
  Result<Engine> engine = Engine::load(file);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  const float expected = read_tensor(result)->data<float>()[0];
  for (int k = 0; k < 2; ++k) {
    EXPECT_EQ(in_a_child([&] { return run_matches(*engine, expected); }), 0);
  }
  EXPECT_EQ(run_matches(*engine, expected), 0);
  std::remove(file.c_str());
  std::remove(result.c_str());
}

}  // namespace
}  // namespace lathe::testing
