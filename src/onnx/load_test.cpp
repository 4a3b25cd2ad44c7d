// SPDX-License-Identifier: Apache-2.0
#include "onnx/load.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "onnx/test_model.h"

namespace lathe {
namespace {

TEST(Load, NamesInputsOutputsAndSymbols) {
  TestModel m(17);
  m.input("x", 1, {-1, 3}).node("Relu", {"x"}, {"y"}).output("y");
  Result<Graph> g = m.load();
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_EQ(g->inputs[0].name, "x");
  EXPECT_EQ(g->inputs[0].value->type.to_string(), "f32[N,3]");
  EXPECT_EQ(g->outputs[0].name, "y");
  EXPECT_TRUE(verify(*g).ok());
}

TEST(Load, AnUnknownOperatorIsNamedWithItsNodeDomainAndOpset) {
  TestModel m(17);
  m.input("x", 1, {1}).node("Frobnicate", {"x"}, {"y"}).output("y");
  EXPECT_EQ(m.error(),
            "node 'my_Frobnicate' (Frobnicate): the operator Frobnicate of domain '', "
            "opset 17, is not implemented");
}

TEST(Load, InitializersListedAsInputsAreConstants) {
  TestModel m(8);
  m.proto.set_ir_version(3);
  m.input("x", 1, {2}).input("w", 1, {2}).floats("w", {2}, {1, 2});
  m.node("Add", {"x", "w"}, {"y"}).output("y");
  Result<Graph> g = m.load();
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_EQ(g->inputs.size(), 1u);
}

TEST(Load, UnusedInitializersAreSkipped) {
  TestModel m(17);
  m.input("x", 1, {2}).floats("unused", {2}, {1, 2}).node("Relu", {"x"}, {"y"}).output("y");
  Result<Graph> g = m.load();
  ASSERT_TRUE(g.ok());
  EXPECT_EQ(g->node_count(), 1u);
}

TEST(Load, NodesOutOfOrderAreSorted) {
  TestModel m(17);
  m.input("x", 1, {2}).node("Relu", {"a"}, {"y"}).node("Neg", {"x"}, {"a"}).output("y");
  EXPECT_EQ(m.error(), "loaded");
}

TEST(Load, ACycleIsRefused) {
  TestModel m(17);
  m.input("x", 1, {2}).node("Add", {"x", "b"}, {"a"}).node("Relu", {"a"}, {"b"}).output("b");
  EXPECT_NE(m.error().find("cycle"), std::string::npos);
}

TEST(Load, AFalseClaimAboutTheTypeIsAnError) {
  TestModel m(17);
  m.input("x", 1, {2}).node("Relu", {"x"}, {"y"}).output("y");
  m.proto.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
      7);
  EXPECT_EQ(m.error(), "output 'y': the model says that it is i64, and it is f32[2]");
}

TEST(Load, AnAttributeOfTheWrongKindIsAnError) {
  TestModel m(17);
  m.input("x", 1, {2, 2}).node("Softmax", {"x"}, {"y"}).output("y");
  m.attribute("axis", 3).set_s("one");
  EXPECT_EQ(m.error(), "node 'my_Softmax' (Softmax): attribute 'axis' is a string, not an integer");
}

TEST(Load, ReshapeByShapesOfTheInputLeavesDimensionsThatAreKnown) {
  // The chain that PyTorch writes for x.view(x.shape[0], -1).
  TestModel m(17);
  m.input("x", 1, {-1, 3, 4}).ints("zero", {0}).ints("minus", {-1});
  m.node("Shape", {"x"}, {"s"}).node("Gather", {"s", "zero"}, {"n"});
  m.node("Concat", {"n", "minus"}, {"to"}).attr("axis", 0);
  m.node("Reshape", {"x", "to"}, {"y"}).output("y");
  Result<Graph> g = m.load();
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_EQ(g->outputs[0].value->type.to_string(), "f32[N,12]");
}

TEST(Load, ASizeThatIsDividedIsTheWindowsThatItCounts) {
  // (N - 4) / 2 + 1 windows, as PyTorch's exporters count them: Div truncates, inference floors.
  TestModel m(17);
  m.input("x", 1, {1, 3, -1}).ints("at", {2}).ints("four", {4}).ints("two", {2}).ints("one", {1});
  m.node("MaxPool", {"x"}, {"p"}).attr_ints("kernel_shape", {4});
  m.attr_ints("strides", {2});
  m.node("Shape", {"x"}, {"s"})
      .node("Gather", {"s", "at"}, {"n"})
      .node("Sub", {"n", "four"}, {"d"});
  m.node("Div", {"d", "two"}, {"h"}).node("Add", {"h", "one"}, {"w"}).ints("three", {3});
  m.node("Concat", {"three", "w"}, {"to"}).attr("axis", 0);
  m.node("Reshape", {"p", "to"}, {"y"}).output("y");
  Result<Graph> g = m.load();
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_EQ(g->outputs[0].value->type.to_string(), "f32[3,floordiv(N, 2) - 1]");
  const auto demanded = [](const Constraint& c) {
    return c.kind == Constraint::Kind::Nonnegative && c.a == Dim::symbol("N") - 4;
  };
  EXPECT_TRUE(std::any_of(g->constraints.begin(), g->constraints.end(), demanded));
}

TEST(Load, ASliceBeyondASymbolicSizeIsClamped) {
  TestModel m(17);
  m.input("x", 1, {-1, 6}).ints("from", {1, -2}).ints("to", {2147483647, 2147483647});
  m.node("Slice", {"x", "from", "to"}, {"y"}).output("y");
  Result<Graph> g = m.load();
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_EQ(g->outputs[0].value->type.shape, Shape({Dim::symbol("N") - 1, 2}));
}

TEST(Load, EitherOfTwoBranchesIsCutToTheOther) {
  TestModel m(17);
  m.input("x", 1, {-1}).input("z", 1, {-2}).ints("from", {0});
  m.node("Shape", {"x"}, {"n"}).node("Slice", {"z", "from", "n"}, {"short_z"});
  m.node("Shape", {"z"}, {"k"}).node("Slice", {"x", "from", "k"}, {"short_x"});
  m.node("Add", {"short_x", "short_z"}, {"y"}).output("y");
  Result<Graph> g = m.load();
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_EQ(g->outputs[0].value->type.to_string().substr(0, 8), "f32[min(");
}

TEST(Load, AnInputMayBeFixed) {
  TestModel m(17);
  m.input("x", 1, {2, 3}).input("shape", 7, {2}).node("Reshape", {"x", "shape"}, {"y"}).output("y");
  EXPECT_NE(m.error().find("must be known when the model is built"), std::string::npos);
  LoadOptions options;
  options.input_values["shape"] = HostTensor::of<int64_t>({2}, {3, 2});
  Result<Graph> g = m.load(options);
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_EQ(g->inputs.size(), 1u);
  EXPECT_EQ(g->outputs[0].value->type.to_string(), "f32[3,2]");
}

TEST(Load, TheNodeBudgetBounds) {
  TestModel m(17);
  m.input("v0", 1, {2});
  for (int k = 0; k < 20; ++k) {
    m.node("Relu", {"v" + std::to_string(k)}, {"v" + std::to_string(k + 1)});
  }
  m.output("v20");
  EXPECT_FALSE(m.load({}, {.nodes = 10}).ok());
  EXPECT_TRUE(m.load({}, {.nodes = 100}).ok());
}

TEST(Load, EveryPrefixOfAModelIsRefusedOrLoads) {
  TestModel m(17);
  m.input("x", 1, {2}).floats("w", {2}, {1, 2}).node("Add", {"x", "w"}, {"y"}).output("y");
  const std::string bytes = m.proto.SerializeAsString();
  for (size_t n = 0; n < bytes.size(); ++n) {
    Budget budget;
    Result<Graph> g =
        load_onnx(std::as_bytes(std::span<const char>(bytes).first(n)), nullptr, budget);
    EXPECT_TRUE(g.ok() || g.status().code() != Code::Internal) << n;
  }
}

lathe_onnx::FunctionProto& function(TestModel& m, const std::string& name) {
  auto* f = m.proto.add_functions();
  f->set_name(name);
  f->set_domain("mine");
  f->add_input("a");
  f->add_output("b");
  f->add_opset_import()->set_version(17);
  auto* mine = f->add_opset_import();
  mine->set_domain("mine");
  mine->set_version(1);
  return *f;
}

void call(lathe_onnx::NodeProto& n, const std::string& type, const std::string& domain,
          const std::string& in, const std::string& out) {
  n.set_op_type(type);
  n.set_domain(domain);
  n.add_input(in);
  n.add_output(out);
}

TEST(Functions, AreInlinedWithTheCallsAttributes) {
  TestModel m(17);
  m.input("x", 1, {1}).node("Leak", {"x"}, {"y"}).output("y");
  m.proto.mutable_graph()->mutable_node(0)->set_domain("mine");
  m.attribute("slope", 1).set_f(0.5f);
  auto& f = function(m, "Leak");
  call(*f.add_node(), "LeakyRelu", "", "a", "b");
  auto* a = f.mutable_node(0)->add_attribute();
  a->set_name("alpha");
  a->set_type(1);
  a->set_ref_attr_name("slope");
  Result<Graph> g = m.load();
  ASSERT_TRUE(g.ok()) << g.status().message();
  const HostTensor x = HostTensor::of<float>({1}, {-4.0f});
  EXPECT_EQ((*interpret(*g, std::span(&x, 1)))[0].to_f64(), (std::vector<double>{-2}));
}

TEST(Functions, ThatCallThemselvesAreRefused) {
  TestModel m(17);
  m.input("x", 1, {1}).node("F", {"x"}, {"y"}).output("y");
  m.proto.mutable_graph()->mutable_node(0)->set_domain("mine");
  call(*function(m, "F").add_node(), "F", "mine", "a", "b");
  EXPECT_EQ(m.error(), "function 'F' calls itself");
}

TEST(Functions, ThatDoubleAtEachLevelAreRefusedBeforeTheyAreInlined) {
  TestModel m(17);
  m.input("x", 1, {1}).node("F40", {"x"}, {"y"}).output("y");
  m.proto.mutable_graph()->mutable_node(0)->set_domain("mine");
  for (int k = 0; k <= 40; ++k) {
    auto& f = function(m, "F" + std::to_string(k));
    const std::string inner = k == 0 ? "Relu" : "F" + std::to_string(k - 1);
    const std::string domain = k == 0 ? "" : "mine";
    call(*f.add_node(), inner, domain, "a", "t");
    call(*f.add_node(), inner, domain, "t", "b");
  }
  EXPECT_NE(m.error().find("more than 1048576 nodes"), std::string::npos);
}

// y = If(the first size of x is 1): squeeze x, else x * 10, as TorchScript writes squeeze().
TestModel squeeze_if_one(int64_t size) {
  TestModel m(13);
  m.input("x", 1, {size, 2}).ints("zero", {0}).ints("one", {1}).floats("ten", {1}, {10});
  m.node("If", {"c"}, {"y"});
  auto* then_graph = m.attribute("then_branch", 5).mutable_g();
  auto* axes = then_graph->add_initializer();
  axes->set_name("axes");
  axes->set_data_type(7);
  axes->add_dims(1);
  axes->add_int64_data(0);
  auto* squeeze = then_graph->add_node();
  call(*squeeze, "Squeeze", "", "x", "y");
  squeeze->add_input("axes");
  then_graph->add_output()->set_name("y");
  auto* else_graph = m.attribute("else_branch", 5).mutable_g();
  call(*else_graph->add_node(), "Mul", "", "later", "t");
  else_graph->mutable_node(0)->add_input("ten");
  else_graph->add_output()->set_name("t");
  // Behind their readers in the file, one of which is inside the If.
  m.node("Neg", {"x"}, {"later"}).node("Shape", {"x"}, {"s"}).node("Gather", {"s", "zero"}, {"n"});
  m.node("Equal", {"n", "one"}, {"c"}).output("y");
  return m;
}

TEST(If, WhoseConditionIsKnownIsTheBranchThatItTakes) {
  const HostTensor one = HostTensor::of<float>({1, 2}, {3, 4});
  Result<Graph> squeezed = squeeze_if_one(1).load();
  ASSERT_TRUE(squeezed.ok()) << squeezed.status().message();
  EXPECT_EQ(squeezed->outputs[0].value->type.to_string(), "f32[2]");
  EXPECT_EQ((*interpret(*squeezed, std::span(&one, 1)))[0].to_f64(), (std::vector<double>{3, 4}));
  const HostTensor two = HostTensor::of<float>({2, 2}, {1, 2, 3, 4});
  Result<Graph> other = squeeze_if_one(2).load();
  ASSERT_TRUE(other.ok()) << other.status().message();
  EXPECT_EQ((*interpret(*other, std::span(&two, 1)))[0].to_f64(),
            (std::vector<double>{-10, -20, -30, -40}));
}

TEST(If, ErrorsNameTheBranchAndTheNodeInIt) {
  TestModel m = squeeze_if_one(1);
  auto* branch = m.proto.mutable_graph()->mutable_node(0)->mutable_attribute(0)->mutable_g();
  branch->mutable_node(0)->set_op_type("Frobnicate");
  EXPECT_EQ(m.error(),
            "node 'my_If' (If): then_branch: node 'y' (Frobnicate): the operator Frobnicate of "
            "domain '', opset 13, is not implemented");
  branch->add_output()->set_name("y");
  EXPECT_EQ(m.error(), "node 'my_If' (If): then_branch: 2 outputs, expected 1");
  branch->mutable_node(0)->set_input(0, "nowhere");
  EXPECT_EQ(m.error(),
            "node 'my_If' (If): then_branch: node 'y' (Frobnicate): the value 'nowhere' is not "
            "defined before it is read");
}

TEST(If, FunctionsThatCallThemselvesInABranchAreRefused) {
  TestModel m(17);
  m.input("x", 1, {1}).node("F", {"x"}, {"y"}).output("y");
  m.proto.mutable_graph()->mutable_node(0)->set_domain("mine");
  auto& f = function(m, "F");
  call(*f.add_node(), "If", "", "a", "b");
  for (const char* name : {"then_branch", "else_branch"}) {
    auto* a = f.mutable_node(0)->add_attribute();
    a->set_name(name);
    a->set_type(5);
    call(*a->mutable_g()->add_node(), "F", "mine", "a", "b");
    a->mutable_g()->add_output()->set_name("b");
  }
  EXPECT_EQ(m.error(), "function 'F' calls itself");
}

}  // namespace
}  // namespace lathe
