// SPDX-License-Identifier: Apache-2.0
// Lowerings where the opset or a constant decides what is emitted. That the numbers are right, for
// every operator, is what the ONNX suite checks (tests/onnx_suite).
#include <gtest/gtest.h>

#include <algorithm>

#include "base/log.h"
#include "onnx/node_import.h"
#include "onnx/test_model.h"

namespace lathe {
namespace {

std::vector<double> run(const Graph& g, const std::vector<HostTensor>& in, size_t output = 0) {
  Result<std::vector<HostTensor>> y = interpret(g, in);
  EXPECT_TRUE(y.ok()) << y.status().message();
  return y.ok() ? (*y)[output].to_f64() : std::vector<double>();
}

int count(const Graph& g, std::string_view op) {
  const auto nodes = g.nodes();
  return static_cast<int>(
      std::count_if(nodes.begin(), nodes.end(), [&](const Node* n) { return n->is(op); }));
}

TEST(Importers, EachIsListedOnce) {
  std::vector<std::string_view> names = imported_operators();
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
  for (std::string_view name : names) EXPECT_NE(find_importer(name), nullptr) << name;
  EXPECT_EQ(find_importer("Frobnicate"), nullptr);
}

TEST(Importers, BatchNormalizationOfConstantsIsOneScaleAndShift) {
  TestModel m(15);
  m.input("x", 1, {1, 2, 1}).floats("s", {2}, {2, 3}).floats("b", {2}, {1, 0});
  m.floats("m", {2}, {1, 2}).floats("v", {2}, {4, 1});
  m.node("BatchNormalization", {"x", "s", "b", "m", "v"}, {"y"}).output("y");
  m.attribute("epsilon", 1).set_f(0);
  Result<Graph> g = m.load();
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_EQ(count(*g, "Pointwise"), 1);
  EXPECT_EQ(run(*g, {HostTensor::of<float>({1, 2, 1}, {3, 4})}), (std::vector<double>{3, 6}));
}

TEST(Importers, SoftmaxFlattensBelowOpset13) {
  const HostTensor zeros = *HostTensor::zeros({DType::F32, {2, 2, 2}});
  for (int opset : {12, 13}) {
    TestModel m(opset);
    m.input("x", 1, {2, 2, 2}).node("Softmax", {"x"}, {"y"}).attr("axis", 1).output("y");
    Result<Graph> g = m.load();
    ASSERT_TRUE(g.ok()) << g.status().message();
    EXPECT_EQ(run(*g, {zeros})[0], opset == 12 ? 0.25 : 0.5);
  }
}

TEST(Importers, AxesAreAnAttributeOrAnOperand) {
  TestModel old(11), later(18);
  old.input("x", 1, {2, 3}).node("ReduceSum", {"x"}, {"y"}).attr_ints("axes", {1}).output("y");
  later.input("x", 1, {2, 3})
      .ints("axes", {-1})
      .node("ReduceSum", {"x", "axes"}, {"y"})
      .output("y");
  const HostTensor x = HostTensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(run(*old.load(), {x}), (std::vector<double>{6, 15}));
  EXPECT_EQ(run(*later.load(), {x}), (std::vector<double>{6, 15}));
}

TEST(Importers, GemmScalesAConstantBiasWhenItIsRead) {
  TestModel m(13);
  m.input("a", 1, {1, 2}).floats("b", {1, 2}, {3, 4}).floats("c", {1}, {5});
  m.node("Gemm", {"a", "b", "c"}, {"y"}).attr("transB", 1).output("y");
  m.attribute("beta", 1).set_f(2);
  Result<Graph> g = m.load();
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_EQ(count(*g, "Pointwise"), 0);
  EXPECT_EQ(run(*g, {HostTensor::of<float>({1, 2}, {1, 2})}), (std::vector<double>{21}));
}

TEST(Importers, ResizeOfOpset10RoundsUpAlongAxesThatShrink) {
  TestModel m(10);
  m.input("x", 1, {2, 4}).floats("scales", {2}, {2.0f, 0.6f});
  m.node("Resize", {"x", "scales"}, {"y"}).output("y");
  Result<Graph> g = m.load();
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_EQ(run(*g, {HostTensor::of<float>({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8})}),
            (std::vector<double>{1, 3, 1, 3, 5, 7, 5, 7}));
}

TEST(Importers, ResizeThatKeepsTheAspectSamplesByTheOneScale) {
  TestModel m(19);
  // The scale is 1/2 by the first axis; 3 of 5 samples lie at 0.5, 2.5 and 4.5, not at 1/3, 2,
  // 11/3.
  m.input("x", 1, {2, 5}).ints("sizes", {1, 4});
  m.node("Resize", {"x", "", "", "sizes"}, {"y"}).output("y");
  m.attribute("mode", 3).set_s("linear");
  m.attribute("keep_aspect_ratio_policy", 3).set_s("not_larger");
  Result<Graph> g = m.load();
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_EQ(run(*g, {HostTensor::of<float>({2, 5}, {0, 1, 2, 3, 4, 0, 1, 2, 3, 4})}),
            (std::vector<double>{0.5, 2.5, 4}));
}

TEST(Importers, ResizeScalesASymbolicSize) {
  TestModel m(13);
  m.input("x", 1, {1, 1, -1, 4}).floats("scales", {4}, {1, 1, 2, 0.5f});
  m.node("Resize", {"x", "", "scales"}, {"y"}).output("y");
  Result<Graph> g = m.load();
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_EQ(g->outputs[0].value->type.to_string(), "f32[1,1,2*N,2]");
}

TEST(Importers, ProductsOfSizesStayKnown) {
  // x.reshape(prod(x.shape)), as Keras writes it.
  TestModel m(17);
  m.input("x", 1, {-1, -2, 3}).node("Shape", {"x"}, {"s"});
  m.node("ReduceProd", {"s"}, {"n"}).attr("keepdims", 1);
  m.node("Reshape", {"x", "n"}, {"y"}).output("y");
  Result<Graph> g = m.load();
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_EQ(g->outputs[0].value->type.shape[0], 3 * Dim::symbol("N") * Dim::symbol("O"));
}

TEST(Importers, TrainingDropoutDropsNothingAtInference) {
  TestModel m(13);
  m.input("x", 1, {2}).floats("ratio", {}, {0.5f});
  m.tensor("training", 9, {}).add_int32_data(1);
  m.node("Dropout", {"x", "ratio", "training"}, {"y"}).output("y");
  Result<Graph> g = m.load();
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_EQ(run(*g, {HostTensor::of<float>({2}, {1, 2})}), (std::vector<double>{1, 2}));
}

TEST(Importers, AttributesThatNobodyKnowsAreWarnedOf) {
  std::string logged;
  send_log_to([](void* user, int, const char* text) { *static_cast<std::string*>(user) += text; },
              &logged);
  TestModel m(13);
  m.input("x", 1, {2}).node("Dropout", {"x"}, {"y"}).attr("seed", 1).attr("sead", 1);
  EXPECT_TRUE(m.output("y").load().ok());
  send_log_to(nullptr, nullptr);
  EXPECT_EQ(logged,
            "node 'my_Dropout' (Dropout): the attribute 'sead' is not known and has no effect");
}

TEST(Importers, AQuantizationScaleOfZeroIsRefused) {
  TestModel m(13);
  m.input("x", 1, {2}).floats("scale", {}, {0}).node("QuantizeLinear", {"x", "scale"}, {"y"});
  m.output("y");
  EXPECT_EQ(m.error(), "node 'my_QuantizeLinear' (QuantizeLinear): scale[0] is 0");
}

TEST(Importers, SpaceToDepthOrdersBlocksByItsMode) {
  const std::pair<const char*, std::vector<double>> cases[] = {{"DCR", {0, 4, 1, 5, 2, 6, 3, 7}},
                                                               {"CRD", {0, 1, 2, 3, 4, 5, 6, 7}}};
  for (const auto& [mode, expected] : cases) {
    TestModel m(28);
    m.input("x", 1, {1, 2, 2, 2}).node("SpaceToDepth", {"x"}, {"y"}).attr("blocksize", 2);
    m.output("y").attribute("mode", 3).set_s(mode);
    Result<Graph> g = m.load();
    ASSERT_TRUE(g.ok()) << g.status().message();
    const auto x = HostTensor::of<float>({1, 2, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7});
    EXPECT_EQ(run(*g, {x}), expected) << mode;
  }
}

TEST(Importers, AnAttentionWindowIsRefused) {
  TestModel m(25);
  for (const char* name : {"q", "k", "v"}) m.input(name, 1, {1, 1, 4, 8});
  m.node("Attention", {"q", "k", "v"}, {"y"}).attr("left_window_size", 2).output("y");
  Result<Graph> g = m.load();
  ASSERT_FALSE(g.ok());
  EXPECT_NE(g.status().message().find("left_window_size is not implemented"), std::string::npos)
      << g.status().message();
}

TEST(Importers, AnEinsumWithoutArrowKeepsTheLabelsThatOccurOnce) {
  const HostTensor x = HostTensor::of<float>({2, 2}, {1, 2, 3, 5});
  const std::pair<const char*, std::vector<double>> cases[] = {
      {"ii", {6}}, {"ii->i", {1, 5}}, {"ba", {1, 3, 2, 5}}};
  for (const auto& [equation, y] : cases) {
    TestModel m(17);
    m.input("x", 1, {2, 2}).node("Einsum", {"x"}, {"y"}).output("y");
    m.attribute("equation", 3).set_s(equation);
    Result<Graph> g = m.load();
    ASSERT_TRUE(g.ok()) << g.status().message();
    EXPECT_EQ(run(*g, {x}), y) << equation;
  }
}

TEST(Importers, AnAbsurdEinsumIsRefused) {
  for (const char* equation : {"ij,jk", "i->ii", "...i.", "i1->i", "ij->k"}) {
    TestModel m(13);
    m.input("x", 1, {2, 2}).node("Einsum", {"x"}, {"y"}).output("y");
    m.attribute("equation", 3).set_s(equation);
    EXPECT_NE(m.error(), "loaded") << equation;
  }
}

}  // namespace
}  // namespace lathe
