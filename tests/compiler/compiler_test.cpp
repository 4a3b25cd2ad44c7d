// SPDX-License-Identifier: Apache-2.0
// Every stage of the compiler, by what stands in the plan and by the numbers that it gives.
#include "base/denormals.h"
#include "compiled.h"

namespace lathe::testing {
namespace {

std::string conv_add_relu() {
  return "graph g(%x: f32[1,8,10,10]) {\n" + weights("w", {8, 8, 3, 3}, 1) +
         weights("b", {8, 1, 1}, 2) + conv("c", "x", "w", 1) + pointwise("s", kAdd, "%c, %x") +
         pointwise("t", kAdd, "%s, %b") + pointwise("r", kRelu, "%t") + "  return y=%r\n}\n";
}

TEST(Fusing, ConvolutionSumAndActivationAreOneStep) {
  const Compiled c(conv_add_relu());
  EXPECT_EQ(c.count("Conv"), 1) << c.steps();
  EXPECT_EQ(c.count("Pointwise"), 0) << c.steps();
  expect_right_in_all_ways(conv_add_relu());
}

std::string two_branches() {
  return "graph g(%x: f32[2,8,9,7]) {\n" + weights("w", {16, 8, 3, 3}, 1) +
         weights("v", {16, 8, 1, 1}, 2) + conv("c", "x", "w", 1) + conv("d", "x", "v", 0) +
         pointwise("s", kAddRelu, "%c, %d") + pointwise("e", "(a:f32) -> tanh(a)", "%s") +
         "  return y=%e\n}\n";
}

TEST(Fusing, OfTwoConvolutionsThatAreAddedOneTakesTheSum) {
  const Compiled c(two_branches());
  EXPECT_EQ(c.count("Conv"), 2) << c.steps();
  EXPECT_LE(c.count("Pointwise"), 1) << c.steps();  // tanh, where no post-operation does it
  expect_right_in_all_ways(two_branches());
}

std::string residual_net(bool dynamic = false) {
  return fmt::format("graph g(%x: f32[{},3,16,16]) {{\n", dynamic ? "N" : "1") +
         weights("w0", {8, 3, 3, 3}, 1) + weights("w1", {8, 8, 3, 3}, 2) +
         weights("w2", {8, 8, 3, 3}, 3) + weights("w3", {16, 8, 3, 3}, 4) +
         weights("w4", {16, 16, 3, 3}, 5) + weights("w5", {16, 8, 1, 1}, 6) +
         weights("f", {16, 5}, 7) + conv("c0", "x", "w0", 1) + pointwise("r0", kRelu, "%c0") +
         conv("c1", "r0", "w1", 1) + pointwise("r1", kRelu, "%c1") + conv("c2", "r1", "w2", 1) +
         pointwise("s2", kAddRelu, "%c2, %r0") + conv("c3", "s2", "w3", 1, 2) +
         pointwise("r3", kRelu, "%c3") + conv("c4", "r3", "w4", 1) + conv("c5", "s2", "w5", 0, 2) +
         pointwise("s5", kAddRelu, "%c4, %c5") +
         "  %p = Reduce{kind=\"mean\", axes=[2, 3], keepdims=0}(%s5)\n"
         "  %m = MatMul{}(%p, %f)\n  return y=%m, features=%s5\n}\n";
}

TEST(Layouts, AResidualNetworkIsConvertedAtItsBordersOnly) {
  const Compiled c(residual_net());
  EXPECT_EQ(c.count("Pointwise"), 0) << c.steps();
  EXPECT_LE(c.count("Reorder"), 2) << c.steps();  // the picture in, the features out
  expect_right_in_all_ways(residual_net());
}

// ConvNeXt's block: between convolutions channels come last for a normalization, by name or as
// tokens.
std::string channels_last_by_name(bool tokens) {
  const auto reshape = [](std::string_view y, std::string_view x, std::string_view shape) {
    return fmt::format("  %{} = Reshape{{shape=dims[{}]}}(%{}) \"{}\"\n", y, shape, x, y);
  };
  const auto transpose = [](std::string_view y, std::string_view x, std::string_view perm) {
    return fmt::format("  %{} = Transpose{{perm=[{}]}}(%{}) \"{}\"\n", y, perm, x, y);
  };
  std::string text = "graph g(%x: f32[N,8,6,5]) {\n" + weights("w", {16, 8, 3, 3}, 1) +
                     weights("u", {8, 16, 1, 1}, 2) + weights("s", {16}, 3) +
                     weights("b", {16}, 4) + conv("c", "x", "w", 1);
  const std::string norm =
      "  %n = Normalize{kind=\"layer\", axes=[-1], epsilon=0.001}(%t, %s, %b)\n";
  if (tokens) {
    text += reshape("f", "c", "N, 16, 30") + transpose("t", "f", "0, 2, 1") + norm +
            transpose("r", "n", "0, 2, 1") + reshape("q", "r", "N, 16, 6, 5");
  } else {
    text += transpose("t", "c", "0, 2, 3, 1") + norm + transpose("q", "n", "0, 3, 1, 2");
  }
  return text + conv("d", "q", "u", 0) + "  return y=%d\n}\n";
}

TEST(Layouts, WhatTheGraphPutsWhereTheyHaveItIsNotMoved) {
  for (const bool tokens : {false, true}) {
    const std::string text = channels_last_by_name(tokens);
    const Compiled c(text);
    EXPECT_EQ(c.count("Transpose"), 0) << c.steps();
    EXPECT_LE(c.count("Reorder"), 2) << c.steps();  // the picture in, the result out
    for (const int64_t n : {1, 3}) expect_right_in_all_ways(text, {{"N", n}});
  }
}

TEST(Layouts, OutputsAndInputsOfTheEngineAreRowMajor) {
  const Compiled c(residual_net());
  for (const PlanPort& p : c.plan.outputs)
    EXPECT_EQ(c.plan.tensors[static_cast<size_t>(p.tensor)].type.layout, Layout::RowMajor);
  for (const PlanPort& p : c.plan.inputs)
    EXPECT_EQ(c.plan.tensors[static_cast<size_t>(p.tensor)].type.layout, Layout::RowMajor);
}

TEST(Shapes, OtherBatchesThanTheTunedOneAreRight) {
  const Compiled c(residual_net(true));
  for (const int64_t n : {1, 3, 0, 2}) c.expect_right(1e-4, {{"N", n}});
}

TEST(Shapes, AreTunedAtTheSizesThatTheNetworkNames) {
  const std::string text =
      "graph g(%x: f32[N,W], %z: f32[N,H]) {\n" + weights("w", {9, 12}, 1) + weights("b", {5}, 2) +
      "  %m = MatMul{}(%x, %w) \"m\"\n  %s = Pointwise{expr=\"(a:f32, b:f32) -> "
      "add(a, b)\"}(%z, %b) \"s\"\n  return m=%m, s=%s\n}\n";
  expect_right_in_all_ways(text, {{"N", 3}, {"W", 9}, {"H", 5}});
}

TEST(Fusing, PointwiseStepsMergeAcrossSharedOperands) {
  const std::string text =
      "graph g(%x: f32[4,6], %z: f32[6]) {\n" + pointwise("a", kAdd, "%x, %z") +
      pointwise("b", "(a:f32, b:f32) -> mul(a, sigmoid(b))", "%a, %x") +
      pointwise("c", "(a:f32, b:f32, c:f32) -> add(mul(a, c), b)", "%b, %b, %z") +
      "  return y=%c\n}\n";
  const Compiled c(text);
  EXPECT_EQ(c.plan.steps.size(), 1u) << c.steps();
  EXPECT_EQ(c.plan.steps[0].in.size(), 2u);
  expect_right_in_all_ways(text);
}

TEST(Fusing, AValueThatIsAnOutputIsStillWritten) {
  const std::string text = "graph g(%x: f32[4,6]) {\n" + pointwise("a", "(a:f32) -> exp(a)", "%x") +
                           pointwise("b", kRelu, "%a") + "  return a=%a, b=%b, again=%a\n}\n";
  expect_right_in_all_ways(text);
}

TEST(Fusing, AConvolutionWithTwoReadersKeepsItsResult) {
  const std::string text = "graph g(%x: f32[1,4,6,6]) {\n" + weights("w", {4, 4, 1, 1}, 1) +
                           conv("c", "x", "w", 0) + pointwise("a", kRelu, "%c") +
                           pointwise("b", "(a:f32) -> tanh(a)", "%c") + "  return a=%a, b=%b\n}\n";
  expect_right_in_all_ways(text);
}

std::string sum_and_normalize(bool read_later) {
  return "graph g(%x: f32[3,7,32], %z: f32[3,7,32]) {\n" + weights("s", {32}, 1) +
         weights("o", {32}, 2) + pointwise("a", kAdd, "%x, %z") +
         "  %n = Normalize{axes=[2], epsilon=0.00001, kind=\"layer\"}(%a, %s, %o) \"ln\"\n" +
         (read_later ? pointwise("r", kAdd, "%n, %a") : pointwise("r", kRelu, "%n")) +
         "  return y=%r\n}\n";
}

TEST(Fusing, ASumBeforeANormalizationIsItsPrologue) {
  expect_right_in_all_ways(sum_and_normalize(false));
}
TEST(Fusing, ASumThatIsReadAgainBecomesASecondResult) {
  expect_right_in_all_ways(sum_and_normalize(true));
}
TEST(Fusing, AnOperandThatIsAlsoTheScaleIsNoPrologue) {
  const std::string text =
      "graph g(%x: f32[8]) {\n" + pointwise("a", "(a:f32) -> exp(a)", "%x") +
      "  %n = Normalize{axes=[0], epsilon=0.00001, kind=\"layer\"}(%a, %a)\n  return y=%n\n}\n";
  expect_right_in_all_ways(text);
}
// Squeeze and excitation: a gate from the map's means scales the map before a projection.
std::string gated_projection(std::string_view behind, std::string_view operands, int kernel = 1) {
  return "graph g(%x: f32[2,16,6,5], %r: f32[2,8,6,5]) {\n" + weights("w1", {16, 16, 1, 1}, 1) +
         weights("w2", {8, 16, kernel, kernel}, 2) +
         "  %m = Reduce{kind=\"mean\", axes=[2, 3], keepdims=1}(%x)\n" + conv("f", "m", "w1", 0) +
         pointwise("g", "(a:f32) -> sigmoid(a)", "%f") +
         pointwise("s", "(a:f32, b:f32) -> mul(a, b)", "%x, %g") +
         conv("c", "s", "w2", kernel / 2) + pointwise("y", behind, operands) + "  return y=%y\n}\n";
}

int count_prologues(const Compiled& c) {
  return static_cast<int>(std::count_if(
      c.plan.steps.begin(), c.plan.steps.end(),
      [](const Step& s) { return s.op.def->is("Conv") && !s.op.fusion.prologue.empty(); }));
}

TEST(Fusing, AGateIsThePrologueOfTheProjectionBehindIt) {
  const std::string text = gated_projection(kRelu, "%c");
  const Compiled c(text);
  EXPECT_EQ(c.count("Pointwise"), 0) << c.steps();
  EXPECT_EQ(count_prologues(c), 1) << c.steps();
  expect_right_in_all_ways(text);
  expect_right_in_all_ways(gated_projection(kAdd, "%c, %r"));
}
TEST(Fusing, AGateBeforeALargerWindowStaysAStep) {
  const std::string text = gated_projection("(a:f32, b:f32) -> add(a, mul(b, b))", "%c, %r", 3);
  EXPECT_EQ(count_prologues(Compiled(text)), 0);
  expect_right_in_all_ways(text);
}
// Sizes that are equal in every run, and not by what their expressions say.
TEST(Fusing, WhatOnlyARunShowsToBeEqualIsNotReliedOn) {
  const std::string text = "graph g(%x: f32[1,16,h,5], %r: f32[1,16,k,5], %q: f32[1,8,k,5]) {\n" +
                           weights("w", {8, 16, 1, 1}, 1) + pointwise("s", kAdd, "%x, %r") +
                           conv("c", "s", "w", 0) + pointwise("y", kAdd, "%c, %q") +
                           "  return y=%y\n}\n";
  for (const int64_t n : {7, 1}) expect_right_in_all_ways(text, {{"h", n}, {"k", n}});
}
// A deviation from the mean, as torch.std writes it: the mean has an axis that the result lacks.
TEST(Fusing, AReductionThatDropsItsAxisHasExpressionsOnBothSides) {
  const std::string text =
      "graph g(%x: f32[3,4,50], %m: f32[3,4,1]) {\n" +
      pointwise("a", "(a:f32, b:f32) -> let t = sub(a, b) in mul(t, t)", "%x, %m") +
      "  %r = Reduce{kind=\"mean\", axes=[2], keepdims=0}(%a)\n" +
      pointwise("y", "(a:f32) -> sqrt(a)", "%r") + "  return y=%y\n}\n";
  expect_right_in_all_ways(text);
}
TEST(Fusing, WhatIsMadeFromNothingTakesNoExpression) {
  const std::string text =
      "graph g(%x: f32[h]) {\n  %i = Iota{start=i64[] {0}, step=i64[] {1}, count=dims[h]}()\n" +
      pointwise("a", "(a:i64) -> add(cast(a, f32), 0.5)", "%i") + pointwise("y", kAdd, "%a, %x") +
      "  return y=%y\n}\n";
  for (const int64_t n : {7, 0}) expect_right_in_all_ways(text, {{"h", n}});
}
TEST(Fusing, ASoftmaxTakesWhatStandsBeforeAndBehind) {
  const std::string text = "graph g(%x: f32[2,5,9], %m: f32[5,9]) {\n" +
                           pointwise("a", "(a:f32, b:f32) -> add(mul(a, 0.5), b)", "%x, %m") +
                           "  %s = Softmax{axis=2}(%a)\n" + pointwise("r", kAdd, "%s, %m") +
                           "  return y=%r\n}\n";
  expect_right_in_all_ways(text);
}

TEST(Views, ReshapesAndDensePartsCostNothing) {
  const std::string text = "graph g(%x: f32[2,3,4]) {\n" +
                           pointwise("a", "(a:f32) -> exp(a)", "%x") +
                           "  %r = Reshape{shape=[6, 4]}(%a)\n"
                           "  %s = Slice{axes=[0], starts=[2], sizes=[3], steps=[1]}(%r)\n"
                           "  %m = Softmax{axis=1}(%s)\n  %n = Softmax{axis=0}(%r)\n"
                           "  %c = Concat{axis=0}(%m, %n)\n  return y=%c, s=%s, r=%r\n}\n";
  const Compiled c(text);
  EXPECT_EQ(c.count("Reshape") + c.count("Slice") + c.count("Concat"), 0) << c.steps();
  expect_right_in_all_ways(text);
}

TEST(Views, AReshapeThatOnlyTheRunShowsToFitIsACopy) {
  const std::string text = "graph g(%x: f32[h,6], %k: f32[k,3]) {\n" +
                           pointwise("a", "(a:f32) -> exp(a)", "%x") +
                           "  %r = Reshape{shape=dims[2*k, 3]}(%a)\n" +
                           pointwise("y", kRelu, "%r") + "  return y=%y, k=%k\n}\n";
  for (const int64_t n : {4, 0}) expect_right_in_all_ways(text, {{"h", n}, {"k", n}});
}
TEST(Views, PartsThatOnlyTheRunShowsToFitAreCopied) {
  const std::string text =
      "graph g(%x: f32[2,h,6], %z: f32[3,k,6]) {\n" + pointwise("a", "(a:f32) -> exp(a)", "%x") +
      pointwise("b", "(a:f32) -> tanh(a)", "%z") + "  %c = Concat{axis=0}(%a, %b)\n" +
      pointwise("y", kRelu, "%c") + "  return y=%y\n}\n";
  for (const int64_t n : {4, 0}) expect_right_in_all_ways(text, {{"h", n}, {"k", n}});
}
TEST(Views, ConcatenationsOfConcatenationsAreInOnePlace) {
  const std::string text =
      "graph g(%x: f32[2,4], %z: f32[3,4]) {\n" + pointwise("a", "(a:f32) -> exp(a)", "%x") +
      pointwise("b", "(a:f32) -> tanh(a)", "%z") + pointwise("d", "(a:f32) -> sigmoid(a)", "%z") +
      "  %c = Concat{axis=0}(%a, %b)\n  %e = Concat{axis=0}(%d, %c)\n" +
      "  %s = Softmax{axis=1}(%e)\n  return y=%s, e=%e\n}\n";
  expect_right_in_all_ways(text);
}

TEST(Views, OutputsMayBeInputsViewsAndEachOther) {
  const std::string text = "graph g(%x: f32[2,6]) {\n  %r = Reshape{shape=[12]}(%x)\n" +
                           pointwise("a", kRelu, "%x") + "  %v = Reshape{shape=[3, 4]}(%a)\n" +
                           "  return x=%x, r=%r, a=%a, v=%v, again=%a\n}\n";
  expect_right_in_all_ways(text);
}

TEST(Views, ATransposeOfOnesIsAView) {
  const std::string text = "graph g(%x: f32[1,6,1,5]) {\n" +
                           pointwise("a", "(a:f32) -> exp(a)", "%x") +
                           "  %t = Transpose{perm=[2, 1, 0, 3]}(%a)\n" +
                           pointwise("b", kRelu, "%t") + "  return y=%b, t=%t\n}\n";
  const Compiled c(text);
  EXPECT_EQ(c.count("Transpose"), 0) << c.steps();
  expect_right_in_all_ways(text);
}

std::string tokens() {
  return "graph g(%x: f32[1,3,8,8]) {\n" + weights("w", {16, 3, 4, 4}, 1) +
         weights("f", {16, 16}, 2) + conv("c", "x", "w", 0, 4) +
         "  %r = Reshape{shape=[1, 16, 4]}(%c)\n  %t = Transpose{perm=[0, 2, 1]}(%r)\n"
         "  %m = MatMul{}(%t, %f)\n  return y=%m\n}\n";
}

TEST(Views, PatchesBecomeTokensWithoutACopy) {
  const Compiled c(tokens());
  EXPECT_EQ(c.count("Transpose") + c.count("Reshape"), 0) << c.steps();
  expect_right_in_all_ways(tokens());
}

TEST(NarrowTypes, Bfloat16StaysWithinItsError) {
  CompileOptions o = untuned();
  o.bf16 = true;
  const Compiled c(residual_net(), o);
  if (!c.device->info().has("bf16")) GTEST_SKIP() << "this CPU has no bf16";
  EXPECT_EQ(c.first("Conv").op.in[0].dtype, DType::BF16) << c.steps();
  c.expect_right(0.03);
  for (const PlanPort& p : c.plan.outputs)
    EXPECT_EQ(c.plan.tensors[static_cast<size_t>(p.tensor)].type.dtype, DType::F32);
  Compiled(tokens(), o).expect_right(0.03);
}

TEST(NarrowTypes, DoublePrecisionIsNotNarrowed) {
  const std::string text =
      "graph g(%x: f64[3,4], %z: f64[4,5]) {\n  %m = MatMul{}(%x, %z)\n  return y=%m\n}\n";
  CompileOptions o = untuned();
  o.bf16 = o.fp16 = true;
  const Compiled c(text, o);
  EXPECT_EQ(c.first("MatMul").op.in[0].dtype, DType::F64);
  c.expect_right(1e-12);
}

TEST(NarrowTypes, HalfPrecisionThatNoTacticRunsIsComputedInSinglePrecision) {
  const std::string text = "graph g(%x: f16[1,16,8,8], %w: f16[16,16,3,3]) {\n" +
                           conv("c", "x", "w", 1) +
                           pointwise("r", "(a:f16) -> max(a, 0:f16)", "%c") + "  return y=%r\n}\n";
  const Compiled c(text);
  EXPECT_NE(c.first("Conv").tactic, "reference") << c.steps();
  c.expect_right(2e-3);
  for (const PlanPort& p : c.plan.outputs)
    EXPECT_EQ(c.plan.tensors[static_cast<size_t>(p.tensor)].type.dtype, DType::F16);
}

TEST(Running, DenormalsCountAsZeroInARunAndNowhereElse) {
  Compiled c(
      "graph g(%x: f32[3,4000]) {\n"
      "  %y = Pointwise{expr=\"(a:f32) -> mul(a, a)\"}(%x)\n  return y=%y\n}\n");
  HostTensor x = *HostTensor::make({DType::F32, Shape{3, 4000}});
  for (int64_t i = 0; i < x.elements(); ++i) x.set_f64(i, i % 2 == 0 ? 0x1p-64 : 0x1p-63);
  auto engine = LoadedEngine::open(c.plan, {c.device.get(), c.device.get()});
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  auto session = *RuntimeSession::open(*engine, {.threads = 2});
  ASSERT_TRUE(session->set_input(0, x).ok());
  ASSERT_TRUE(session->run().ok());
  const HostTensor y = *session->output(0);
  for (int64_t i = 0; i < y.elements(); ++i) ASSERT_EQ(y.get_f64(i), i % 2 == 0 ? 0 : 0x1p-126);
  EXPECT_FALSE(Denormals::flushed());
}

TEST(Running, TheSignOfZeroIsZero) {
  Compiled c(
      "graph g(%x: f32[5]) {\n"
      "  %y = Pointwise{expr=\"(a:f32) -> sign(a)\"}(%x)\n  return y=%y\n}\n");
  HostTensor x = *HostTensor::make({DType::F32, Shape{5}});
  const double from[] = {0, -0.0, 3, -0.5, 0x1p-126}, want[] = {0, 0, 1, -1, 1};
  for (int k = 0; k < 5; ++k) x.set_f64(k, from[k]);
  auto engine = LoadedEngine::open(c.plan, {c.device.get(), c.device.get()});
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  auto session = *RuntimeSession::open(*engine, {.threads = 1});
  ASSERT_TRUE(session->set_input(0, x).ok());
  ASSERT_TRUE(session->run().ok());
  for (int k = 0; k < 5; ++k) EXPECT_EQ(session->output(0)->get_f64(k), want[k]) << from[k];
}

TEST(Verifying, EveryStepThatIsNoReferenceCarriesItsCheck) {
  for (const bool tune : {true, false}) {
    CompileOptions o;
    o.tuner.tune = tune;
    const Compiled c(residual_net(), o);
    for (const Step& s : c.plan.steps) {
      if (s.tactic != "reference") {
        EXPECT_TRUE(s.certificate.checked) << s.name;
      }
    }
    ASSERT_EQ(c.plan.end_to_end.size(), 2u);
    for (double e : c.plan.end_to_end) EXPECT_LT(e, 1e-4);
  }
}

TEST(Compiling, TheSameGraphAndCacheGiveTheSamePlan) {
  Compiled first(residual_net(), CompileOptions{});
  const Result<CompileResult> made = [&] {
    CompileOptions o;
    o.tuner.threads = 1;
    const CompileDevices devices{first.device.get(), first.device.get(), nullptr};
    return compile(first.graph.clone(), devices, first.cache, o, Progress{});
  }();
  ASSERT_TRUE(made.ok());
  const Plan& again = made->plan;
  ASSERT_EQ(again.steps.size(), first.plan.steps.size());
  for (size_t k = 0; k < again.steps.size(); ++k) {
    EXPECT_EQ(again.steps[k].tactic, first.plan.steps[k].tactic);
    EXPECT_EQ(again.steps[k].why, first.plan.steps[k].why);
    EXPECT_EQ(again.steps[k].seconds, first.plan.steps[k].seconds);
    EXPECT_EQ(again.steps[k].certificate, first.plan.steps[k].certificate);
  }
  EXPECT_EQ(again.end_to_end, first.plan.end_to_end);
}

TEST(Compiling, OptionsAreWrittenDown) {
  CompileOptions o = untuned();
  o.disabled_passes = {"fold_affine"};
  o.symbols = {{"N", 1, 2, 4}};
  EXPECT_EQ(Compiled(residual_net(true), o).plan.options,
            "threads=1 tune=off fuse=on verify=sample no-pass=fold_affine N=1:2:4");
}

TEST(Compiling, ACallbackThatSaysNoStopsIt) {
  Result<Graph> graph = parse_graph(residual_net());
  ASSERT_TRUE(graph.ok());
  auto device = cpu::make_cpu_device(1);
  TimingCache cache;
  static int calls;
  calls = 0;
  const Progress progress{[](void*, const char*, double) { return ++calls < 5; }, nullptr};
  const Result<CompileResult> plan =
      compile(*std::move(graph), {device.get(), device.get(), nullptr}, cache, untuned(), progress);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.status().code(), Code::Cancelled);
}

}  // namespace
}  // namespace lathe::testing
