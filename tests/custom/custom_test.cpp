// SPDX-License-Identifier: Apache-2.0
// Custom operators from the model to the numbers: definitions that become Lathe's operators,
// definitions with kernels, plugins good and odd, engines written and read.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cmath>

#include "custom_models.h"
#include "engine/format.h"

namespace lathe {
namespace {

constexpr const char* kSwish =
    R"j("signature": "(x: T[...]) -> (y: T[...])", "types": {"T": ["f32", "f16"]},
       "attributes": {"beta": 1.0},
       "expression": "mul(x, sigmoid(mul(x, @beta:T)))")j";

TEST(Definition, OfAnExpressionBecomesAPointwise) {
  TestModel m = model_of("acme", "Op");
  m.attribute("beta", 1).set_f(2.0F);
  const Engine engine = build(m, {.ops = {defined(kSwish)}, .plugins = {}});
  EXPECT_EQ(engine.graph_text().find("Custom"), std::string::npos) << engine.graph_text();
  expect_everywhere(engine, [](double x) { return x / (1 + std::exp(-2 * x)); });
}

TEST(Definition, FusesWithItsNeighbours) {
  TestModel m = model_of("acme", "Op");
  m.node("Relu", {"y"}, {"z"});
  m.proto.mutable_graph()->mutable_output(0)->set_name("z");
  Result<Model> model = parse(m, {.ops = {defined(kSwish)}, .plugins = {}});
  ASSERT_TRUE(model.ok()) << model.status().message();
  Result<Engine> engine = Engine::build(*model, quick());
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  EXPECT_EQ(engine->steps().size(), 1U);
}

TEST(Definition, OfACompositionBecomesItsOperators) {
  const std::string rms = R"j("signature": "(x: f32[N,C]) -> (y: f32[N,C])",
      "attributes": {"eps": 1e-5, "axis": -1},
      "composition": ["q = Mul(x, x)", "m = ReduceMean{axes=[1], keepdims=1}(q)",
                      "e = Constant{value_float=@eps}()", "v = Add(m, e)", "s = Sqrt(v)",
                      "y = Div(x, s)"])j";
  const Engine engine = build(model_of("acme", "Op"), {.ops = {defined(rms)}, .plugins = {}});
  for (const Sizes& sizes : {Sizes{4, 6}, Sizes{3, 17}}) {
    Result<std::vector<double>> y = answer(engine, sizes);
    ASSERT_TRUE(y.ok()) << y.status().message();
    const std::vector<float> x = ramp(sizes[0] * sizes[1]);
    for (int64_t r = 0; r < sizes[0]; ++r) {
      double sum = 0;
      const auto at = [&](int64_t c) { return x[static_cast<size_t>(r * sizes[1] + c)]; };
      for (int64_t c = 0; c < sizes[1]; ++c) sum += double{at(c)} * at(c);
      const double rms_of_row = std::sqrt(sum / static_cast<double>(sizes[1]) + 1e-5);
      for (int64_t c = 0; c < sizes[1]; ++c)
        EXPECT_NEAR((*y)[static_cast<size_t>(r * sizes[1] + c)], at(c) / rms_of_row, 1e-5);
    }
  }
}

// With a kernel for a GPU: on the CPU the twin runs, as any other operators would.
TEST(Definition, WithAKernelRunsItsTwinOnTheCpu) {
  const std::string kernel = std::string(kSwish) + R"j(, "cuda": {"kernel": "swish",
      "source": "extern \"C\" __global__ void swish(const x_t* x, y_t* y, i64 n) {}",
      "grid": ["ceildiv(count(x), 256)"], "block": ["256"], "arguments": ["count(x)"]})j";
  Result<Model> model = parse(model_of("acme", "Op"), {.ops = {defined(kernel)}, .plugins = {}});
  ASSERT_TRUE(model.ok()) << model.status().message();
  Result<Engine> engine = Engine::build(*model, quick());
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  ASSERT_EQ(engine->steps().size(), 1U);
  EXPECT_EQ(engine->steps()[0].op.find("Custom"), std::string::npos) << engine->steps()[0].op;
  expect_everywhere(*engine, [](double x) { return x / (1 + std::exp(-x)); });
}

TEST(Definition, WithoutOneTheCureSaysHow) {
  Result<Model> model = parse(model_of("acme", "Op"), {});
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.status().cure().find("--op FILE.json, or --plugin"), std::string::npos)
      << model.status().message() << model.status().cure();
}

TEST(Definition, MistakesAreNamed) {
  const TestModel m = model_of("acme", "Op");
  const auto says = [&](const std::string& body) {
    return refused(m, {.ops = {defined(body)}, .plugins = {}});
  };
  const std::string head = R"j("signature": "(x: f32[N,C]) -> (y: f32[N,C])")j";
  EXPECT_EQ(says(head),
            "operator definitions: operator 'acme::Op': it needs a twin: an expression or a "
            "composition");
  EXPECT_NE(says(head + R"j(, "expression": "nonsense(x)")j").find("node 'my_Op' (Op)"),
            std::string::npos);
  EXPECT_NE(says(head + R"j(, "expresion": "x")j").find("'expresion' is no key here"),
            std::string::npos);
  EXPECT_NE(says(R"j("signature": "(x: f16[N,C]) -> (y: f16[N,C])", "expression": "x")j")
                .find("operand 'x' is f32[N,O], its signature says f16[N,C]"),
            std::string::npos);
  EXPECT_NE(says(R"j("signature": "(x: f32[N,C]) -> (y: f32[C])", "expression": "x")j")
                .find("the twin's result 'y' is f32[N,O], the signature says f32[O]"),
            std::string::npos);
  EXPECT_NE(says(head + R"j(, "composition": ["y = Nothing(x)"])j").find("Nothing"),
            std::string::npos);
  EXPECT_NE(says(head + R"j(, "composition": ["z = Relu(x)"])j").find("the twin never makes 'y'"),
            std::string::npos);
  EXPECT_NE(says(head + R"j(, "composition": ["y = acme::Op(x)"], "opset": 17)j").find("too deep"),
            std::string::npos);
  EXPECT_NE(refused(m, {.ops = {"{"}, .plugins = {}}).find("it is not JSON"), std::string::npos);
  EXPECT_NE(refused(m, {.ops = {"nowhere.json"}, .plugins = {}}).find("nowhere.json"),
            std::string::npos);
  TestModel extra = model_of("acme", "Op");
  extra.attr("gamma", 3);
  EXPECT_NE(
      refused(extra, {.ops = {defined(kSwish)}, .plugins = {}}).find("has no attribute 'gamma'"),
      std::string::npos);
}

TEST(Definition, ValuesThatCannotBeAreNamed) {
  const std::string head =
      R"j("signature": "(x: f32[N,C]) -> (y: f32[N,C])", "expression": "x", )j";
  const std::string kernel = R"j("source": "", "kernel": "k", "grid": ["1"])j";
  const std::pair<std::string, const char*> kWrong[] = {
      {R"("attributes": {"a-b": 1})", "attribute 'a-b': its name is no word"},
      {R"("attributes": {"a": {"type": "complex"}})", "type 'complex' is unknown: expected int"},
      {R"("attributes": {"a": {"type": "int", "default": 0.5}})", "its default is no int"},
      {R"("attributes": {"a": 18446744073709551615})", "its default is neither a number"},
      {R"("attributes": [1])", "'attributes' must be an object"},
      {R"("types": {"T": []})", "type 'T' is no word, or may be nothing"},
      {R"("opset": -3)", "'opset' is -3, expected 1 to 1000"},
      {R"("opset": 1e3)", "'opset' is 1000.0"},
      {R"("tolerance": -1)", "'tolerance' is -1"},
      {R"j("composition": ["y = Relu(x)"])j", "it needs a twin: an expression or a composition"},
      {R"("cuda": {)" + kernel + "}", "'cuda' needs a source or a file"},
      {R"("cuda": {"file": "../../etc/passwd", "kernel": "k", "grid": ["1"], "block": ["1"]})",
       "etc/passwd"},
      {R"("cuda": {"source": "x", "kernel": "k", "grid": ["1"], "block": []})", "needs 'grid'"},
      {R"("cuda": {"source": "x", "kernel": "k", "grid": ["Q"], "block": ["1"]})", "Q"},
  };
  for (const auto& [body, says] : kWrong) {
    const std::string message =
        refused(model_of("acme", "Op"), {.ops = {defined(head + body)}, .plugins = {}});
    EXPECT_NE(message.find(says), std::string::npos) << body << "\n" << message;
  }
  EXPECT_NE(refused(model_of("acme", "Op"),
                    {.ops = {R"({"lathe_ops": 2, "operators": []})"}, .plugins = {}})
                .find("it is version 2 of the form, this Lathe reads 1"),
            std::string::npos);
}

ModelOptions odd(const char* library = ODD_PLUGIN) { return {.ops = {}, .plugins = {library}}; }

TEST(Plugin, TheTacticThatIsRightWinsAndTheOthersAreNamed) {
  const Engine engine = build(model_of("odd", "Mixed"), odd());
  ASSERT_EQ(engine.steps().size(), 1U);
  const StepInfo step = engine.steps()[0];
  EXPECT_EQ(step.tactic, "plugin");
  EXPECT_EQ(step.config, "right@3");
  EXPECT_TRUE(step.checked);
  for (const char* reason :
       {"plugin wrong@1: element", "plugin overruns@1: it wrote past its tensor",
        "plugin lazy@1: element 0", "plugin meddles@1: it wrote to its operands",
        "plugin: declines: ", "the flux capacitor is empty",
        "plugin leaves_workspace@1: it wrote past its workspace",
        "plugin throws@1: plugin odd 1.2.0, throws: it threw: a tantrum",
        "unprepared: no room for my tables", "greedy: it asks for 18446744073709551615 bytes"}) {
    EXPECT_NE(step.why.find(reason), std::string::npos) << reason << "\n" << step.why;
  }
  expect_everywhere(engine, [](double x) { return 2 * x; });
}

TEST(Plugin, WithoutAReferenceWhatIsWrittenIsChecked) {
  const Engine engine = build(model_of("odd", "Unchecked"), odd());
  ASSERT_EQ(engine.steps().size(), 1U);
  const StepInfo step = engine.steps()[0];
  EXPECT_EQ(step.config, "right@1");
  EXPECT_FALSE(step.checked);
  EXPECT_NE(step.why.find("overruns@1: it wrote past its tensor"), std::string::npos) << step.why;
  EXPECT_NE(step.why.find("lazy@1: it left element 0 of result 0 unwritten"), std::string::npos)
      << step.why;
  expect_everywhere(engine, [](double x) { return 2 * x; });
}

TEST(Plugin, WhereNoTacticIsRightTheReferenceRuns) {
  const Engine engine = build(model_of("odd", "Fails"), odd());
  ASSERT_EQ(engine.steps().size(), 1U);
  EXPECT_EQ(engine.steps()[0].tactic, "reference");
  expect_everywhere(engine, [](double x) { return 2 * x; });
}

TEST(Plugin, WhereNothingIsRightTheBuildSaysWhy) {
  Result<Model> model = parse(model_of("odd", "OnlyOverruns"), odd());
  ASSERT_TRUE(model.ok()) << model.status().message();
  Result<Engine> engine = Engine::build(*model, quick());
  ASSERT_FALSE(engine.ok());
  EXPECT_NE(engine.status().message().find("it wrote past its tensor"), std::string::npos)
      << engine.status().message();
}

TEST(Plugin, ErrorsOfItsOwnAreNamed) {
  EXPECT_NE(refused(model_of("odd", "Refuses"), odd()).find("today is not a good day"),
            std::string::npos);
  EXPECT_NE(refused(model_of("odd", "SignatureThrows"), odd()).find("plugin odd 1.2.0: it threw"),
            std::string::npos);
  EXPECT_NE(refused(model_of("odd", "NoSignature"), odd()).find("signature"), std::string::npos);
  EXPECT_NE(refused(model_of("odd", "Wide"), odd()).find("field 'factor' is missing"),
            std::string::npos);
  TestModel extra = model_of("odd", "Mixed");
  extra.attr("gamma", 3);
  EXPECT_NE(refused(extra, odd()).find("has no field 'gamma'"), std::string::npos);
  TestModel kind = model_of("odd", "Wide");
  kind.attribute("factor", 1).set_f(1);
  EXPECT_NE(refused(kind, odd()).find("'factor' must be an integer"), std::string::npos);
}

// max over 3x3 of x, twice that, and the channel's index, by whoever runs it.
void expect_pictures(const std::string& type, const std::string& format) {
  constexpr int64_t kChannels = 5, kSide = 6, kMade = kSide - 2;
  TestModel m(17);
  m.input("x", 1, {-1, kChannels, kSide, kSide}).node("MaxPool", {"x"}, {"a"});
  m.attr_ints("kernel_shape", {2, 2}).node(type, {"a"}, {"b"});
  m.node("MaxPool", {"b"}, {"y"}).attr_ints("kernel_shape", {2, 2}).output("y");
  m.proto.mutable_graph()->mutable_node(1)->set_domain("odd");
  Result<Model> model = parse(m, odd());
  ASSERT_TRUE(model.ok()) << model.status().message();
  BuildOptions options;
  options.timing_cache = "none";
  Result<Engine> engine = Engine::build(*model, options);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  for (const StepInfo& s : engine->steps()) {
    if (!s.op.starts_with("Custom")) continue;
    EXPECT_EQ(s.tactic, "plugin") << s.why;
    EXPECT_NE(s.op.find(format), std::string::npos) << s.op;
  }
  Result<Session> session = engine->open();
  ASSERT_TRUE(session.ok());
  const int64_t pixels = kSide * kSide;
  const std::vector<float> x = ramp(2 * kChannels * pixels);
  const Sizes sizes{2, kChannels, kSide, kSide};
  ASSERT_TRUE(session->set_input("x", Tensor::of<float>(sizes, std::span<const float>(x))).ok());
  const Status ran = session->run();
  ASSERT_TRUE(ran.ok()) << ran.message();
  const std::vector<double> y = session->output("y")->to_doubles();
  for (int64_t i = 0; i < static_cast<int64_t>(y.size()); ++i) {
    const int64_t plane = i / (kMade * kMade), row = i / kMade % kMade, column = i % kMade;
    float most = -100;
    for (int64_t k = 0; k < 9; ++k)
      most = std::max(
          most, x[static_cast<size_t>(plane * pixels + (row + k / 3) * kSide + column + k % 3)]);
    EXPECT_NEAR(y[static_cast<size_t>(i)], 2 * most + static_cast<float>(plane % kChannels), 1e-5);
  }
}

TEST(Plugin, FormatsAreThoseThatItsTacticsTake) {
  expect_pictures("Channels", "nhwc");
  expect_pictures("Either", "nhwc");  // as its neighbours have it
}

TEST(Plugin, LibrariesThatAreNoneAreRefused) {
  const TestModel m = model_of("odd", "Mixed");
  EXPECT_NE(refused(m, odd("nowhere.so")).find("nowhere.so"), std::string::npos);
  EXPECT_NE(refused(m, odd(SOURCE_FILE)).find("no library that loads here"), std::string::npos);
  EXPECT_NE(refused(m, {.ops = {}, .plugins = {ODD_PLUGIN, ODD_PLUGIN}}).find("is loaded already"),
            std::string::npos);
  Result<Model> model = parse(m, odd(ODD_PLUGIN_ABI));
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.status().message().find("speaks version 999 of the plugin interface"),
            std::string::npos)
      << model.status().message();
  EXPECT_NE(model.status().cure().find("build the plugin again"), std::string::npos);
}

class Engines : public testing::Test {
 protected:
  void SetUp() override {
    const Engine engine = build(model_of("odd", "Mixed"), odd());
    Result<std::vector<std::byte>> bytes = engine.serialize();
    ASSERT_TRUE(bytes.ok()) << bytes.status().message();
    bytes_ = *std::move(bytes);
  }
  Status open(const std::vector<std::string>& plugins) {
    return Engine::parse(bytes_, plugins).status();
  }
  std::vector<std::byte> bytes_;
};

TEST_F(Engines, RunWithThePluginThatTheyName) {
  Result<Engine> engine = Engine::parse(bytes_, {ODD_PLUGIN});
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  EXPECT_EQ(engine->plugins(), std::vector<std::string>{"odd 1.2.0"});
  EXPECT_EQ(engine->steps()[0].config, "right@3");
  expect_everywhere(*engine, [](double x) { return 2 * x; });
}

TEST_F(Engines, WithoutItSayWhichOneAndTheCure) {
  const Status s = open({});
  EXPECT_EQ(s.code(), Code::NotFound);
  EXPECT_NE(s.message().find("it needs plugin odd 1.2.0, which is not loaded"), std::string::npos)
      << s.message();
  EXPECT_NE(s.cure().find("--plugin FILE.so"), std::string::npos);
}

TEST_F(Engines, TakeNewerMinorVersionsOnly) {
  EXPECT_TRUE(open({ODD_PLUGIN_1_3}).ok()) << open({ODD_PLUGIN_1_3}).message();
  for (const char* other : {ODD_PLUGIN_1_1, ODD_PLUGIN_2_0}) {
    const Status s = open({other});
    EXPECT_EQ(s.code(), Code::Unsupported);
    EXPECT_NE(s.message().find("it needs plugin odd 1.2.0"), std::string::npos) << s.message();
  }
}

// The engine is a stranger's: what it names as its plugin is a file that is there.
TEST_F(Engines, LoadNoLibraryByThemselves) {
  auto copy = std::make_shared<std::vector<std::byte>>(bytes_);
  Result<Plan> plan = read_engine(*copy, copy);
  ASSERT_TRUE(plan.ok());
  for (const char* plugin : {GPU_PLUGIN, "\x1b[2J"}) {
    for (Step& s : plan->steps) s.op.attrs.set("plugin", std::string(plugin) + " 1.0.0");
    Result<std::vector<std::byte>> again = write_engine(*plan);
    ASSERT_TRUE(again.ok());
    for (const std::vector<std::string>& named : {std::vector<std::string>(), {ODD_PLUGIN}}) {
      const Status s = Engine::parse(*again, named).status();
      EXPECT_FALSE(s.ok());
      EXPECT_EQ(s.message().find('\x1b'), std::string::npos);
    }
  }
  EXPECT_EQ(dlopen(GPU_PLUGIN, RTLD_NOW | RTLD_NOLOAD), nullptr);
}

// The engine is a stranger's: what it says of the operator is not what the plugin says.
TEST_F(Engines, ThatLieAboutAnOperatorAreRefused) {
  auto copy = std::make_shared<std::vector<std::byte>>(bytes_);
  Result<Plan> plan = read_engine(*copy, copy);
  ASSERT_TRUE(plan.ok());
  for (Step& s : plan->steps) {
    s.op.attrs.set("signature", std::string("(x: f32[A,B]) -> (y: f32[A,B])"));
  }
  Result<std::vector<std::byte>> again = write_engine(*plan);
  ASSERT_TRUE(again.ok());
  const Status s = Engine::parse(*again, {ODD_PLUGIN}).status();
  EXPECT_NE(s.message().find("was built as (x: f32[A,B])"), std::string::npos) << s.message();
}

TEST(Plugin, SampleAgreesWithItsFormula) {
  TestModel m(17);
  m.input("x", 1, {-1, 3, -2}).floats("alpha", {3}, {0.5F, 1.0F, 4.0F});
  m.node("Snake", {"x", "alpha"}, {"y"}).output("y");
  m.proto.mutable_graph()->mutable_node(0)->set_domain("com.example");
  Result<Model> model = parse(m, odd(SNAKE_PLUGIN));
  ASSERT_TRUE(model.ok()) << model.status().message();
  BuildOptions options;
  options.timing_cache = "none";
  options.shapes = {{"x", {{1, 3, 1}, {2, 3, 100}, {8, 3, 4096}}}};
  Result<Engine> engine = Engine::build(*model, options);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  EXPECT_EQ(engine->steps()[0].tactic, "plugin");
  EXPECT_TRUE(engine->steps()[0].checked) << engine->steps()[0].why;
  EXPECT_EQ(engine->steps()[0].why.find("rejected"), std::string::npos) << engine->steps()[0].why;
  for (const int64_t length : {1, 7, 100, 1000}) {
    Result<Session> session = engine->open();
    ASSERT_TRUE(session.ok());
    const std::vector<float> x = ramp(2 * 3 * length);
    ASSERT_TRUE(
        session->set_input("x", Tensor::of<float>({2, 3, length}, std::span<const float>(x))).ok());
    ASSERT_TRUE(session->run().ok());
    const std::vector<double> y = session->output("y")->to_doubles();
    const double alpha[] = {0.5, 1.0, 4.0};
    for (size_t i = 0; i < y.size(); ++i) {
      const double a = alpha[i / static_cast<size_t>(length) % 3], s = std::sin(a * x[i]);
      EXPECT_NEAR(y[i], x[i] + s * s / (a + 1e-9), 1e-5);
    }
  }
}

}  // namespace
}  // namespace lathe
