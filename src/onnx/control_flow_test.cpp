// SPDX-License-Identifier: Apache-2.0
// If, Loop and Scan that become nodes with regions. That the numbers are right is what the ONNX
// suite checks, too (tests/onnx_suite).
#include <gtest/gtest.h>

#include <cmath>

#include "onnx/test_model.h"

namespace lathe {
namespace {

// A graph inside a node.
struct Sub {
  lathe_onnx::GraphProto& g;

  // `type`: ONNX's code, 0: not said; a rank of -1: not said.
  Sub& in(const std::string& name, int type = 0, int rank = -1) {
    auto* input = g.add_input();
    input->set_name(name);
    if (type == 0) return *this;
    auto* tensor = input->mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(type);
    if (rank >= 0) tensor->mutable_shape();
    for (int k = 0; k < rank; ++k) tensor->mutable_shape()->add_dim();
    return *this;
  }
  Sub& node(const std::string& type, const std::vector<std::string>& in, const std::string& out) {
    auto* n = g.add_node();
    n->set_op_type(type);
    n->set_name("inner_" + type);
    for (const auto& name : in) n->add_input(name);
    n->add_output(out);
    return *this;
  }
  Sub& attr(const std::string& name, int64_t value) {
    auto* a = g.mutable_node(g.node_size() - 1)->add_attribute();
    a->set_name(name);
    a->set_type(2);
    a->set_i(value);
    return *this;
  }
  Sub& ints(const std::string& name, const std::vector<int64_t>& values) {
    auto* t = g.add_initializer();
    t->set_name(name);
    t->set_data_type(7);
    t->add_dims(static_cast<int64_t>(values.size()));
    for (int64_t v : values) t->add_int64_data(v);
    return *this;
  }
  Sub& out(const std::string& name) {
    g.add_output()->set_name(name);
    return *this;
  }
  // Of the node added last.
  Sub graph(const std::string& name) { return in_node(*g.mutable_node(g.node_size() - 1), name); }
  static Sub in_node(lathe_onnx::NodeProto& node, const std::string& name) {
    auto* a = node.add_attribute();
    a->set_name(name);
    a->set_type(5);
    return {*a->mutable_g()};
  }
};

Sub graph(TestModel& m, const std::string& name) { return {*m.attribute(name, 5).mutable_g()}; }

Graph loaded(const TestModel& m) {
  Result<Graph> g = m.load();
  EXPECT_TRUE(g.ok()) << g.status().message();
  if (!g.ok()) return Graph();
  EXPECT_TRUE(verify(*g).ok()) << verify(*g).message();
  Result<Graph> again = parse_graph(to_string(*g));
  EXPECT_TRUE(again.ok()) << again.status().message() << to_string(*g);
  if (again.ok()) {
    EXPECT_EQ(to_string(*again), to_string(*g));
  }
  return *std::move(g);
}

std::vector<HostTensor> run(const Graph& g, const std::vector<HostTensor>& in) {
  Result<std::vector<HostTensor>> y = interpret(g, in);
  EXPECT_TRUE(y.ok()) << y.status().message();
  return y.ok() ? *y : std::vector<HostTensor>(g.outputs.size());
}

const Node* find(const Graph& g, std::string_view op) {
  for (const Node* n : g.nodes()) {
    if (n->is(op)) return n;
  }
  ADD_FAILURE() << "no " << op;
  return nullptr;
}

HostTensor i64(int64_t value) { return HostTensor::scalar<int64_t>(value); }

// y = c ? -x : 10 * x, z = the same shape as x made by a Reshape.
TestModel negate_or_scale() {
  TestModel m(17);
  m.input("c", 9, {}).input("x", 1, {-1, 2}).floats("ten", {1}, {10});
  m.node("Shape", {"x"}, {"s"}).node("If", {"c"}, {"y", "z"}).output("y").output("z");
  graph(m, "then_branch").node("Neg", {"x"}, "n").out("n").out("x");
  graph(m, "else_branch")
      .node("Mul", {"x", "ten"}, "t")
      .node("Reshape", {"t", "s"}, "r")
      .out("t")
      .out("r");
  return m;
}

TEST(IfNode, HoldsBothBranchesWhereTheConditionIsComputed) {
  const Graph g = loaded(negate_or_scale());
  const Node* n = find(g, "If");
  // The weight and the shape are made inside; the input comes from outside.
  ASSERT_EQ(n->operands.size(), 2u);
  EXPECT_EQ(n->in(1)->name, "x");
  EXPECT_EQ(n->out()->type.to_string(), "f32[N,2]");
  const HostTensor x = HostTensor::of<float>({1, 2}, {3, 4});
  EXPECT_EQ(run(g, {HostTensor::scalar<bool>(true), x})[0].to_f64(), (std::vector<double>{-3, -4}));
  const auto scaled = run(g, {HostTensor::scalar<bool>(false), x});
  EXPECT_EQ(scaled[0].to_f64(), (std::vector<double>{30, 40}));
  EXPECT_EQ(scaled[1].to_f64(), (std::vector<double>{30, 40}));
}

TEST(IfNode, SizesThatDifferAreSymbols) {
  TestModel m(17);
  m.input("c", 9, {}).input("x", 1, {-1}).node("If", {"c"}, {"y"});
  graph(m, "then_branch").node("Concat", {"x", "x"}, "d").attr("axis", 0).out("d");
  graph(m, "else_branch").node("Identity", {"x"}, "i").out("i");
  m.node("Neg", {"y"}, {"z"}).output("z");
  const Graph g = loaded(m);
  EXPECT_EQ(g.outputs[0].value->type.to_string(), "f32[if1.0.0]");
  const HostTensor x = HostTensor::of<float>({2}, {3, 4});
  EXPECT_EQ(run(g, {HostTensor::scalar<bool>(true), x})[0].to_f64(),
            (std::vector<double>{-3, -4, -3, -4}));
}

TEST(IfNode, SymbolsAvoidThoseOfTheModel) {
  TestModel m(17);
  m.input("c", 9, {}).input("x", 1, {-1}).node("If", {"c"}, {"y"}).output("y");
  graph(m, "then_branch").node("Concat", {"x", "x"}, "d").attr("axis", 0).out("d");
  graph(m, "else_branch").node("Identity", {"x"}, "i").out("i");
  auto* shape = m.proto.mutable_graph()->mutable_input(1)->mutable_type();
  shape->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_param("if1.0.0");
  EXPECT_EQ(loaded(m).outputs[0].value->type.to_string(), "f32[if2.0.0]");
}

TEST(IfNode, BranchesMustAgreeInTypeAndRank) {
  TestModel ranks(17), types(17);
  for (TestModel* m : {&ranks, &types}) {
    m->input("c", 9, {}).input("x", 1, {1, 2}).ints("axes", {0}).node("If", {"c"}, {"y"});
    m->output("y");
    graph(*m, "then_branch").node("Neg", {"x"}, "n").out("n");
  }
  graph(ranks, "else_branch").node("Squeeze", {"x", "axes"}, "t").out("t");
  EXPECT_EQ(
      ranks.error(),
      "node 'my_If' (If): If: result 0: then_branch gives f32[1,2], else_branch f32[2]: ranks "
      "must agree");
  graph(types, "else_branch").node("Cast", {"x"}, "t").attr("to", 10).out("t");
  EXPECT_EQ(types.error(),
            "node 'my_If' (If): If: result 0: then_branch gives f32[1,2], else_branch f16[1,2]: "
            "element types must agree");
}

TEST(IfNode, BadGraphsAreNamed) {
  TestModel m(17);
  m.input("c", 9, {}).input("x", 1, {2}).node("If", {"c"}, {"y"}).output("y");
  graph(m, "then_branch").node("Neg", {"x"}, "n").out("n");
  EXPECT_EQ(m.error(), "node 'my_If' (If): else_branch: the graph is missing");
  Sub other = graph(m, "else_branch");
  other.node("Neg", {"nowhere"}, "n").out("n");
  EXPECT_EQ(m.error(),
            "node 'my_If' (If): else_branch: node 'inner_Neg' (Neg): the value 'nowhere' is not "
            "defined before it is read");
  other.g.mutable_node(0)->set_input(0, "x");
  EXPECT_EQ(m.error(), "loaded");
  other.in("extra");
  EXPECT_EQ(m.error(), "node 'my_If' (If): else_branch: 1 inputs, expected 0");
  other.g.clear_input();
  other.node("Neg", {"x"}, "n");
  EXPECT_EQ(
      m.error(),
      "node 'my_If' (If): else_branch: node 'inner_Neg' (Neg): the value 'n' is defined twice");
  other.g.mutable_node(1)->set_output(0, "o");
  other.out("o");
  EXPECT_EQ(m.error(), "node 'my_If' (If): else_branch: 2 outputs, expected 1");
}

TEST(IfNode, WhatIsInsideIsNotSeenOutside) {
  TestModel m(17);
  m.input("c", 9, {}).input("x", 1, {2}).node("If", {"c"}, {"y"}).output("y");
  graph(m, "then_branch").node("Neg", {"x"}, "inside").out("inside");
  graph(m, "else_branch").node("Identity", {"x"}, "i").out("i");
  m.node("Neg", {"inside"}, {"z"}).output("z");
  EXPECT_EQ(m.error(), "node 'my_Neg' (Neg): the value 'inside' is not defined before it is read");
}

TEST(IfNode, NamesInsideMayHideThoseOutside) {
  TestModel m(17);
  m.input("c", 9, {}).input("x", 1, {2}).node("Neg", {"x"}, {"n"}).node("If", {"c"}, {"y"});
  graph(m, "then_branch").node("Abs", {"x"}, "n").node("Add", {"n", "n"}, "l").out("l");
  graph(m, "else_branch").node("Identity", {"n"}, "i").out("i");
  const Graph g = loaded(m.output("y"));
  const HostTensor x = HostTensor::of<float>({2}, {0, 1});
  EXPECT_EQ(run(g, {HostTensor::scalar<bool>(true), x})[0].to_f64(), (std::vector<double>{0, 2}));
  EXPECT_EQ(run(g, {HostTensor::scalar<bool>(false), x})[0].to_f64(), (std::vector<double>{0, -1}));
}

// v goes round m times, v = v + x; each v is collected.
TestModel add_up(const char* trips, const char* condition) {
  TestModel m(13);
  m.input("x", 1, {-1, 2}).input("m", 7, {}).input("c", 9, {});
  m.tensor("three", 7, {}).add_int64_data(3);
  m.node("Loop", {trips, condition, "x"}, {"last", "all"}).output("last").output("all");
  graph(m, "body")
      .in("i", 7, 0)
      .in("go", 9, 0)
      .in("v", 1)
      .node("Identity", {"go"}, "go_on")
      .node("Add", {"v", "x"}, "sum")
      .out("go_on")
      .out("sum")
      .out("sum");
  return m;
}

TEST(LoopNode, CountsThatAreKnownAreSizes) {
  const Graph g = loaded(add_up("three", ""));
  EXPECT_EQ(g.outputs[0].value->type.to_string(), "f32[N,2]");
  EXPECT_EQ(g.outputs[1].value->type.to_string(), "f32[3,N,2]");
  const auto out =
      run(g, {HostTensor::of<float>({1, 2}, {1, 2}), i64(0), HostTensor::scalar<bool>(false)});
  EXPECT_EQ(out[0].to_f64(), (std::vector<double>{4, 8}));
  EXPECT_EQ(out[1].to_f64(), (std::vector<double>{2, 4, 3, 6, 4, 8}));
}

TEST(LoopNode, CountsThatAreComputedAreSymbols) {
  for (const char* trips : {"m", "three"}) {
    const Graph g = loaded(add_up(trips, "c"));
    EXPECT_EQ(g.outputs[1].value->type.to_string(), "f32[loop1.1.0,N,2]");
    const HostTensor x = HostTensor::of<float>({1, 2}, {1, 2});
    EXPECT_EQ(run(g, {x, i64(3), HostTensor::scalar<bool>(true)})[0].to_f64(),
              (std::vector<double>{4, 8}));
    const auto never = run(g, {x, i64(3), HostTensor::scalar<bool>(false)});
    EXPECT_EQ(never[0].to_f64(), (std::vector<double>{1, 2}));
    EXPECT_EQ(never[1].shape().to_string(), "[0,1,2]");
  }
}

TEST(LoopNode, SizesThatChangeOnTheWayAreSymbols) {
  TestModel m(13);
  m.input("x", 1, {1, 2}).input("m", 7, {}).node("Loop", {"m", "", "x", "x"}, {"y", "z"});
  graph(m, "body")
      .in("i", 7, 0)
      .in("go", 9, 0)
      .in("v", 1, 2)
      .in("w", 1, 2)
      .node("Concat", {"v", "w"}, "longer")
      .attr("axis", 0)
      .node("Identity", {"go"}, "go_on")
      .out("go_on")
      .out("longer")
      .out("v");
  const Graph g = loaded(m.output("y").output("z"));
  EXPECT_EQ(g.outputs[0].value->type.to_string(), "f32[loop1.0.0,2]");
  EXPECT_EQ(g.outputs[1].value->type.to_string(), "f32[loop1.1.0,2]");
  const auto out = run(g, {HostTensor::of<float>({1, 2}, {1, 2}), i64(3)});
  EXPECT_EQ(out[0].shape().to_string(), "[5,2]");  // 1, 2, 3, 5 rows
  EXPECT_EQ(out[1].shape().to_string(), "[3,2]");
}

TEST(LoopNode, ASliceMayDependOnTheIteration) {
  TestModel m(13);
  m.input("x", 1, {4}).ints("one", {1}).tensor("m", 7, {}).add_int64_data(4);
  m.node("Loop", {"m", ""}, {"y"}).output("y");
  graph(m, "body")
      .in("i", 7, 1)
      .in("go", 9, 0)
      .node("Add", {"i", "one"}, "end")
      .node("Slice", {"x", "i", "end"}, "part")
      .out("go")
      .out("part");
  const Graph g = loaded(m);
  EXPECT_EQ(g.outputs[0].value->type.to_string(), "f32[4,1]");
  EXPECT_EQ(run(g, {HostTensor::of<float>({4}, {5, 6, 7, 8})})[0].to_f64(),
            (std::vector<double>{5, 6, 7, 8}));
}

TEST(LoopNode, BadBodiesAreNamed) {
  TestModel m(13);
  m.input("x", 1, {2}).input("m", 7, {}).node("Loop", {"m", "", "x"}, {"y"}).output("y");
  EXPECT_EQ(m.error(), "node 'my_Loop' (Loop): body: the graph is missing");
  Sub body = graph(m, "body");
  body.in("i", 7).in("go", 9).in("v", 1).node("Cast", {"v"}, "w").attr("to", 10).out("go");
  EXPECT_EQ(m.error(), "node 'my_Loop' (Loop): body: 1 outputs, expected 2");
  body.out("w");
  EXPECT_EQ(m.error(),
            "node 'my_Loop' (Loop): body: the value 'v' is f32[2] at first, and the body makes "
            "f16[2] of it: element type and rank must stay");
  body.g.mutable_input(2)->mutable_type()->mutable_tensor_type()->set_elem_type(10);
  EXPECT_EQ(m.error(),
            "node 'my_Loop' (Loop): body: value 'v': the model says that it is f16, and it is "
            "f32[2]");
  body.in("more");
  EXPECT_EQ(m.error(), "node 'my_Loop' (Loop): body: 4 inputs, expected 3");
  body.g.mutable_input(3)->set_name("v");
  EXPECT_EQ(m.error(), "node 'my_Loop' (Loop): body: the value 'v' is defined twice");
}

TEST(LoopNode, ABodyThatCarriesASequenceIsRefusedByName) {
  TestModel m(13);
  m.input("x", 1, {2}).input("m", 7, {}).node("Loop", {"m", "", "x"}, {"y"}).output("y");
  Sub body = graph(m, "body");
  body.in("i", 7).in("go", 9).in("v").out("go").out("v");
  const std::string sequence = {0x22, 0x00};  // TypeProto.sequence_type
  ASSERT_TRUE(body.g.mutable_input(2)->mutable_type()->ParseFromString(sequence));
  EXPECT_EQ(m.error(),
            "node 'my_Loop' (Loop): body: 'v' is a sequence, map, optional or sparse tensor; only "
            "tensors are implemented");
}

TEST(LoopNode, ThatNeedsItsOwnResultIsACycle) {
  TestModel m(13);
  m.input("x", 1, {2}).input("m", 7, {}).node("Neg", {"y"}, {"n"});
  m.node("Loop", {"m", "", "x"}, {"y"}).output("y");
  graph(m, "body").in("i").in("go").in("v").node("Add", {"v", "n"}, "w").out("go").out("w");
  EXPECT_NE(m.error().find("the graph has a cycle"), std::string::npos) << m.error();
}

TEST(LoopNode, GraphsInGraphsReadFromAllAround) {
  TestModel m(17);
  m.input("x", 1, {2}).input("m", 7, {}).input("c", 9, {}).node("Neg", {"x"}, {"n"});
  m.node("If", {"c"}, {"y"}).output("y");
  graph(m, "then_branch").node("Identity", {"x"}, "same").out("same");
  Sub other = graph(m, "else_branch");
  other.node("Exp", {"n"}, "e").node("Loop", {"m", "", "e"}, "sums").out("sums");
  Sub body = other.graph("body");
  body.in("i", 7).in("go", 9).in("v", 1).node("Add", {"v", "n"}, "w").node("If", {"c"}, "u");
  body.graph("then_branch").node("Add", {"w", "e"}, "p").out("p");
  body.graph("else_branch").node("Sub", {"w", "x"}, "q").out("q");
  body.out("go").out("u");
  const Graph g = loaded(m);
  const HostTensor x = HostTensor::of<float>({2}, {0, 2});
  const auto y = run(g, {x, i64(2), HostTensor::scalar<bool>(false)})[0].to_f64();
  EXPECT_NEAR(y[0], 1, 1e-6);
  EXPECT_NEAR(y[1], std::exp(-2) - 8, 1e-6);
}

// Sums along the first axis, and the sums on the way.
TestModel sums(int64_t inputs) {
  TestModel m(11);
  m.input("s", 1, {2}).input("x", 1, {-1, 2}).node("Scan", {"s", "x"}, {"last", "all"});
  m.attr("num_scan_inputs", inputs).output("last").output("all");
  graph(m, "body").in("s", 1, 1).in("x", 1, 1).node("Add", {"s", "x"}, "sum").out("sum").out("sum");
  return m;
}

TEST(ScanNode, TakesSlicesOneByOne) {
  const Graph g = loaded(sums(1));
  EXPECT_EQ(g.outputs[1].value->type.to_string(), "f32[N,2]");
  const auto out = run(
      g, {HostTensor::of<float>({2}, {0, 10}), HostTensor::of<float>({3, 2}, {1, 2, 3, 4, 5, 6})});
  EXPECT_EQ(out[0].to_f64(), (std::vector<double>{9, 22}));
  EXPECT_EQ(out[1].to_f64(), (std::vector<double>{1, 12, 4, 16, 9, 22}));
}

TEST(ScanNode, AxesCountFromEitherEnd) {
  TestModel m = sums(1);
  m.attr_ints("scan_input_axes", {-1}).attr_ints("scan_input_directions", {1});
  m.attr_ints("scan_output_axes", {-1}).attr_ints("scan_output_directions", {0});
  const Graph g = loaded(m);
  EXPECT_EQ(g.outputs[1].value->type.to_string(), "f32[2,2]");
  const auto out =
      run(g, {HostTensor::of<float>({2}, {0, 10}), HostTensor::of<float>({2, 2}, {1, 2, 3, 4})});
  EXPECT_EQ(out[1].to_f64(), (std::vector<double>{2, 3, 14, 17}));
}

TEST(ScanNode, BadAttributesAreNamed) {
  EXPECT_EQ(sums(0).error(),
            "node 'my_Scan' (Scan): num_scan_inputs is 0, and 2 operands are given");
  EXPECT_EQ(sums(3).error(),
            "node 'my_Scan' (Scan): num_scan_inputs is 3, and 2 operands are given");
  const std::tuple<const char*, std::vector<int64_t>, const char*> cases[] = {
      {"scan_input_axes", {0, 1}, "scan_input_axes has 2 entries, expected 1"},
      {"scan_input_axes", {2}, "scan_input_axes: axis 2 is out of range for rank 2"},
      {"scan_output_axes", {-3}, "scan_output_axes: axis -3 is out of range for rank 2"},
      {"scan_input_directions", {2}, "scan_input_directions: 2 is neither 0 nor 1"}};
  for (const auto& [name, values, error] : cases) {
    TestModel m = sums(1);
    m.attr_ints(name, values);
    EXPECT_EQ(m.error(), std::string("node 'my_Scan' (Scan): ") + error);
  }
}

// f0 calls f1 in a branch, f1 calls f2 ...: graphs in graphs, deeper than a file can nest them.
TestModel nested(int depth) {
  TestModel m(17);
  m.input("c", 9, {}).input("x", 1, {1}).node("F0", {"c", "x"}, {"y"}).output("y");
  m.proto.mutable_graph()->mutable_node(0)->set_domain("mine");
  for (int k = 0; k < depth; ++k) {
    auto* f = m.proto.add_functions();
    f->set_name("F" + std::to_string(k));
    f->set_domain("mine");
    f->add_input("a");
    f->add_input("b");
    f->add_output("r");
    f->add_opset_import()->set_version(17);
    auto* mine = f->add_opset_import();
    mine->set_domain("mine");
    mine->set_version(1);
    auto* n = f->add_node();
    n->set_op_type("If");
    n->add_input("a");
    n->add_output("r");
    Sub yes = Sub::in_node(*n, "then_branch");
    yes.node(k + 1 < depth ? "F" + std::to_string(k + 1) : "And", {"a", "b"}, "t").out("t");
    if (k + 1 < depth) {
      yes.g.mutable_node(0)->set_domain("mine");
    } else {
      yes.g.mutable_node(0)->set_op_type("Neg");
      yes.g.mutable_node(0)->clear_input();
      yes.g.mutable_node(0)->add_input("b");
    }
    Sub::in_node(*n, "else_branch").node("Identity", {"b"}, "e").out("e");
  }
  return m;
}

TEST(ControlFlow, FunctionsWithinAreInlinedAndDepthIsBounded) {
  const Graph g = loaded(nested(5));
  const HostTensor x = HostTensor::of<float>({1}, {3});
  EXPECT_EQ(run(g, {HostTensor::scalar<bool>(true), x})[0].to_f64(), (std::vector<double>{-3}));
  EXPECT_EQ(run(g, {HostTensor::scalar<bool>(false), x})[0].to_f64(), (std::vector<double>{3}));
  EXPECT_EQ(nested(kMaxRegionDepth - 1).error(), "loaded");
  EXPECT_NE(
      nested(kMaxRegionDepth + 1).error().find("graphs inside nodes are nested deeper than 32"),
      std::string::npos)
      << nested(kMaxRegionDepth + 1).error();
}

// Each body is lowered twice, because a size changes: twice as often at each level.
TEST(ControlFlow, WhatIsLoweredAgainAndAgainIsBoundedByTheBudget) {
  TestModel m(17);
  m.input("x", 1, {1}).input("m", 7, {}).node("Loop", {"m", "", "x"}, {"y"}).output("y");
  auto* at = &graph(m, "body").g;
  for (int k = 0; k < 24; ++k) {
    const std::string v = "v" + std::to_string(k), w = "w" + std::to_string(k);
    Sub body{*at};
    body.in("i" + v).in("c" + v).in(v).node("Concat", {v, v}, w).attr("axis", 0);
    body.node("Loop", {"m", "", w}, "y" + v).out("c" + v).out("y" + v);
    at = &body.graph("body").g;
  }
  Sub{*at}.in("i").in("c").in("v").out("c").out("v");
  const Result<Graph> g = m.load({}, {.nodes = 10'000});
  ASSERT_FALSE(g.ok());
  EXPECT_NE(g.status().message().find("10000 nodes"), std::string::npos) << g.status().message();
}

}  // namespace
}  // namespace lathe
