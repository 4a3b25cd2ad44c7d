// SPDX-License-Identifier: Apache-2.0
// Custom operators on a GPU: definitions with kernels, right and wrong ones, and a plugin with
// tactics of its own. Needs a GPU and NVRTC (skipped without): ctest -L gpu.
#include <cmath>
#include <cstdlib>

#include "backends/cuda/api/driver.h"
#include "custom_models.h"

namespace lathe {
namespace {

// Where the tests' files lie; LATHE_CUSTOM_FILES: on a machine without the build tree.
std::string file(const std::string& here) {
  const char* elsewhere = std::getenv("LATHE_CUSTOM_FILES");
  return elsewhere == nullptr ? here : elsewhere + here.substr(here.rfind('/'));
}

class OnGpu : public testing::Test {
 protected:
  void SetUp() override {
    const Result<const cuda::Driver*> driver = cuda::Driver::open();
    if (!driver.ok()) GTEST_SKIP() << driver.status().message();
  }
  // y = 2x, whose kernel does what `statement` says for each element i of n.
  static std::string doubling(const std::string& statement, const std::string& more = {}) {
    return defined(R"j("signature": "(x: f32[N,C]) -> (y: f32[N,C])", "expression": "add(x, x)",
      "cuda": {"kernel": "twice", "grid": ["ceildiv(count(x) + 1, 64)"], "block": ["64"],
      "arguments": ["count(x)")j" +
                   more + R"j(],
      "source": "extern \"C\" __global__ void twice(const x_t* x, y_t* y, i64 n) {\n)j" +
                   R"j(  const i64 i = thread_index();\n)j" + statement + R"j(\n}"})j");
  }
  static Engine build_doubling(const std::string& statement, const std::string& more = {}) {
    return build(model_of("acme", "Op"), {.ops = {doubling(statement, more)}, .plugins = {}},
                 quick("cuda"));
  }
  static StepInfo custom_step(const Engine& engine) {
    for (const StepInfo& s : engine.steps()) {
      if (s.op.starts_with("Custom")) return s;
    }
    ADD_FAILURE() << "no step is Custom";
    return {};
  }
  static Engine again(const Engine& engine, const std::vector<std::string>& plugins = {}) {
    Result<std::vector<std::byte>> bytes = engine.serialize();
    EXPECT_TRUE(bytes.ok()) << bytes.status().message();
    if (!bytes.ok()) return {};
    Result<Engine> opened = Engine::parse(*bytes, plugins);
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    return opened.ok() ? *opened : Engine();
  }
};

double twice(double x) { return 2 * x; }

constexpr const char* kRight = "  if (i < n) y[i] = x[i] + x[i];";

TEST_F(OnGpu, AKernelWinsIsCheckedAndStoredInTheEngine) {
  const Engine engine = build_doubling(kRight);
  const StepInfo step = custom_step(engine);
  EXPECT_EQ(step.tactic, "custom_kernel") << step.why;
  EXPECT_TRUE(step.checked);
  expect_everywhere(engine, twice);
  const Engine opened = again(engine);
  EXPECT_TRUE(opened.plugins().empty());
  EXPECT_EQ(custom_step(opened).tactic, "custom_kernel");
  expect_everywhere(opened, twice);
}

// The kernel's own mistakes: the twin runs on the host, and the step says why.
TEST_F(OnGpu, KernelsThatAreWrongAreNamedAndTheTwinRuns) {
  const std::pair<const char*, const char*> kWrong[] = {
      {"  if (i < n) y[i] = 2.01f * x[i];", "custom_kernel: element"},
      {"  if (i <= n) y[i] = i < n ? x[i] + x[i] : 7;", "it wrote past its tensor"},
      {"  if (i > 0 && i < n) y[i] = x[i] + x[i];", "custom_kernel: element 0"},
      {"  if (i < n) { y[i] = x[i] + x[i]; ((float*)x)[i] = 7; }", "it wrote to its operands"},
      {"  if (i < n) y[i] = nonsense(x[i]);", "nonsense"},
  };
  for (const auto& [statement, says] : kWrong) {
    SCOPED_TRACE(statement);
    const Engine engine = build_doubling(statement);
    const StepInfo step = custom_step(engine);
    EXPECT_EQ(step.tactic, "host_reference");
    EXPECT_NE(step.why.find(says), std::string::npos) << step.why;
    expect_everywhere(engine, twice);
  }
}

TEST_F(OnGpu, KernelsThatTakeOtherParametersAreNamed) {
  const Result<const cuda::Driver*> driver = cuda::Driver::open();
  if ((*driver)->cuFuncGetParamInfo == nullptr) GTEST_SKIP() << "the driver is older than 12.4";
  const StepInfo step = custom_step(build_doubling(kRight, R"(, "N")"));
  EXPECT_EQ(step.tactic, "host_reference");
  EXPECT_NE(step.why.find("kernel twice takes 3 parameters, its definition gives 4"),
            std::string::npos)
      << step.why;
}

TEST_F(OnGpu, TheSampleComputesItsFormulaInBothTypes) {
  for (const int type : {1, 10}) {
    TestModel m(17);
    m.input("x", type, {-1, 3, -2}).input("alpha", type, {3});
    m.node("Snake", {"x", "alpha"}, {"y"}).output("y");
    m.proto.mutable_graph()->mutable_node(0)->set_domain("com.example");
    BuildOptions how = quick("cuda");
    how.shapes = {{"x", {{1, 3, 1}, {2, 3, 100}, {8, 3, 4096}}}};
    const Engine engine = build(m, {.ops = {file(SNAKE_DEFINITION)}, .plugins = {}}, how);
    const StepInfo step = custom_step(engine);
    EXPECT_EQ(step.tactic, "custom_kernel") << step.why;
    EXPECT_TRUE(step.checked);
  }
}

TEST_F(OnGpu, APluginsTacticThatIsRightWins) {
  const std::vector<std::string> plugins{file(GPU_PLUGIN)};
  const Engine engine =
      build(model_of("gpu", "Twice"), {.ops = {}, .plugins = plugins}, quick("cuda"));
  const StepInfo step = custom_step(engine);
  EXPECT_EQ(step.tactic, "plugin");
  EXPECT_EQ(step.config, "right@1");
  EXPECT_EQ(step.device, "cuda");
  EXPECT_TRUE(step.checked);
  for (const char* reason :
       {"plugin wrong@1: element", "plugin overruns@1: it wrote past its tensor",
        "plugin lazy@1: element"}) {
    EXPECT_NE(step.why.find(reason), std::string::npos) << reason << "\n" << step.why;
  }
  expect_everywhere(engine, twice);
  const Engine opened = again(engine, plugins);
  EXPECT_EQ(opened.plugins(), std::vector<std::string>{"gpu 1.0.0"});
  expect_everywhere(opened, twice);
}

// A CUDA graph of the engine would not hold it: it runs beside the graphs.
TEST_F(OnGpu, ATacticThatCannotBeCapturedRuns) {
  const Engine engine =
      build(model_of("gpu", "Waits"), {.ops = {}, .plugins = {file(GPU_PLUGIN)}}, quick("cuda"));
  EXPECT_EQ(custom_step(engine).config, "waits@1");
  Result<Session> session = engine.open();
  ASSERT_TRUE(session.ok()) << session.status().message();
  for (int k = 0; k < 4; ++k) {
    const std::vector<float> x(12, static_cast<float>(k));
    ASSERT_TRUE(session->set_input("x", Tensor::of<float>({3, 4}, std::span<const float>(x))).ok());
    const Status ran = session->run();
    ASSERT_TRUE(ran.ok()) << ran.message();
    for (const double y : session->output("y")->to_doubles()) EXPECT_EQ(y, 2.0 * k);
  }
}

TEST_F(OnGpu, WithoutATacticForItTheReferenceRunsOnTheHost) {
  const Engine engine =
      build(model_of("gpu", "OnlyHost"), {.ops = {}, .plugins = {file(GPU_PLUGIN)}}, quick("cuda"));
  EXPECT_EQ(custom_step(engine).tactic, "host_reference");
  expect_everywhere(engine, twice);
}

// On the host nobody checks a plugin's CPU tactics: of those that this one has, most are wrong.
TEST_F(OnGpu, OnTheHostAPluginsReferenceIsTaken) {
  const Engine engine =
      build(model_of("odd", "Mixed"), {.ops = {}, .plugins = {file(ODD_PLUGIN)}}, quick("cuda"));
  EXPECT_EQ(custom_step(engine).tactic, "host_reference");
  expect_everywhere(engine, twice);
}

}  // namespace
}  // namespace lathe
