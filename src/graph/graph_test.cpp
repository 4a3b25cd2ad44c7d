// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"

#include <gtest/gtest.h>

#include <chrono>

#include "graph/rewriter.h"

namespace lathe {
namespace {

Attrs expression(const char* text) { return Attrs().set("expr", *Expr::parse(text)); }

Value* relu(Graph& g, Value* x, std::string_view name = "") {
  auto n = g.append("Pointwise", {x}, expression("(a:f32) -> max(a, 0)"), name);
  EXPECT_TRUE(n.ok()) << n.status().message();
  return (*n)->out();
}

TEST(Graph, AppendInfersTypesAndRecordsReaders) {
  Graph g;
  Value* x = g.add_input("x", {DType::F32, {Dim::symbol("N"), 8}});
  Value* y = relu(g, x, "relu");
  g.add_output("y", y);
  EXPECT_EQ(y->type.to_string(), "f32[N,8]");
  ASSERT_EQ(x->readers.size(), 1u);
  EXPECT_EQ(x->readers[0], y->producer);
  EXPECT_TRUE(y->read_once());
  EXPECT_TRUE(verify(g).ok()) << verify(g).message();
}

TEST(Graph, AnErrorOfInferenceNamesTheNode) {
  Graph g;
  Value* x = g.add_input("x", {DType::F32, {2, 3}});
  auto n = g.append("Transpose", {x}, Attrs().set("perm", Ints{0, 5}), "t1");
  ASSERT_FALSE(n.ok());
  EXPECT_NE(n.status().message().find("node 't1' (Transpose)"), std::string::npos);
  EXPECT_EQ(g.node_count(), 0u);
  EXPECT_TRUE(x->readers.empty());
}

TEST(Graph, AnUnknownOperatorIsAnErrorThatNamesIt) {
  Graph g;
  EXPECT_NE(g.append("Frobnicate", {}).status().message().find("Frobnicate"), std::string::npos);
}

TEST(Graph, NamesAreUniqueAndMadeUpOnesGiveWay) {
  Graph g;
  Value* x = g.add_input("x", {DType::F32, {2}});
  Value* a = relu(g, x);
  Value* b = relu(g, a);
  EXPECT_EQ(a->name, "1");
  g.rename(a, "x");
  EXPECT_EQ(a->name, "x_2");
  g.rename(a, b->name);
  EXPECT_EQ(a->name, "2");
  EXPECT_NE(b->name, "2");
  EXPECT_EQ(g.find_value("2"), a);
  EXPECT_EQ(g.find_value(b->name), b);
  EXPECT_TRUE(verify(g).ok());
}

TEST(Graph, ConstantsAreMarkedInTheirReaders) {
  Graph g;
  Value* x = g.add_input("x", {DType::F32, {2}});
  Value* c = g.constant(HostTensor::of<float>({2}, {1, 2}), "c");
  auto n = g.append("Pointwise", {x, c}, expression("(a:f32, b:f32) -> add(a, b)"));
  ASSERT_TRUE(n.ok());
  EXPECT_EQ((*n)->op.constant_in, 2u);
  EXPECT_EQ(c->name, "c");
  ASSERT_NE(c->constant(), nullptr);
  EXPECT_EQ(c->constant()->span<float>()[1], 2);
  EXPECT_EQ(x->constant(), nullptr);
}

TEST(Graph, NodesGoInFrontOfTheOneNamed) {
  Graph g;
  Value* x = g.add_input("x", {DType::F32, {2}});
  Value* a = relu(g, x);
  auto n = g.append("Pointwise", {x}, expression("(a:f32) -> neg(a)"), "", a->producer);
  ASSERT_TRUE(n.ok());
  ASSERT_EQ(g.nodes().size(), 2u);
  EXPECT_EQ(g.nodes()[0], *n);
}

TEST(Graph, AClonePrintsTheSameAndSharesNothingButTensors) {
  Graph g;
  g.name = "net";
  Value* x = g.add_input("x", {DType::F32, {Dim::symbol("N"), 4}});
  Value* c = g.constant(HostTensor::of<float>({4}, {1, 2, 3, 4}));
  Value* y =
      (*g.append("Pointwise", {x, c}, expression("(a:f32, b:f32) -> mul(a, b)"), "m"))->out();
  g.add_output("y", y);
  Graph copy = g.clone();
  EXPECT_EQ(to_string(copy), to_string(g));
  EXPECT_TRUE(verify(copy).ok()) << verify(copy).message();
  relu(copy, copy.find_value("x"));
  EXPECT_EQ(g.node_count(), 2u);
}

TEST(Graph, AHundredThousandNodesTakeSeconds) {
  const auto start = std::chrono::steady_clock::now();
  Graph g;
  Value* x = g.add_input("x", {DType::F32, {2}});
  Value* v = x;
  for (int k = 0; k < 50000; ++k) {
    v = relu(g, v, "r");
    relu(g, x);  // one value with many readers
  }
  g.add_output("y", v);
  EXPECT_TRUE(verify(g).ok());
  Rewriter rw(g);
  EXPECT_TRUE(rw.erase_dead());
  EXPECT_EQ(g.node_count(), 50000u);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_LT(took.count(), 20);
}

}  // namespace
}  // namespace lathe
