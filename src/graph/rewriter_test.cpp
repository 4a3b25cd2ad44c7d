// SPDX-License-Identifier: Apache-2.0
#include "graph/rewriter.h"

#include <gtest/gtest.h>

namespace lathe {
namespace {

struct RewriterTest : testing::Test {
  Graph g;
  Rewriter rw{g};
  Value* x = g.add_input("x", {DType::F32, {2}});

  Value* unary(const char* text, Value* v, std::string_view name = "") {
    auto r = rw.pointwise(text, {v}, name);
    EXPECT_TRUE(r.ok()) << r.status().message();
    return *r;
  }
  void expect_valid() {
    Status s = verify(g);
    EXPECT_TRUE(s.ok()) << s.message();
  }
};

TEST_F(RewriterTest, ReplaceMovesReadersAndOutputs) {
  Value* a = unary("(a:f32) -> neg(a)", x);
  Value* b = unary("(a:f32) -> exp(a)", a);
  g.add_output("a", a);
  g.add_output("b", b);
  rw.replace(a, x);
  EXPECT_EQ(b->producer->in(0), x);
  EXPECT_EQ(g.outputs[0].value, x);
  EXPECT_EQ(x->output_uses, 1);
  EXPECT_EQ(a->output_uses, 0);
  EXPECT_TRUE(a->readers.empty());
  EXPECT_TRUE(rw.erase_dead());
  EXPECT_EQ(g.node_count(), 1u);
  expect_valid();
}

TEST_F(RewriterTest, ReplaceMovesBothSlotsOfANodeThatReadsTwice) {
  Value* a = unary("(a:f32) -> neg(a)", x);
  Value* y = *rw.pointwise("(a:f32, b:f32) -> add(a, b)", {a, a});
  g.add_output("y", y);
  rw.replace(a, x);
  EXPECT_EQ(y->producer->in(0), x);
  EXPECT_EQ(y->producer->in(1), x);
  rw.erase_dead();
  EXPECT_EQ(x->readers.size(), 2u);
  expect_valid();
}

TEST_F(RewriterTest, TheNewValueTakesTheModelsName) {
  Value* a = unary("(a:f32) -> neg(a)", x);
  g.rename(a, "logits");
  g.add_output("y", a);
  rw.before(a->producer);
  Value* b = unary("(a:f32) -> sub(0, a)", x);
  rw.replace(a, b);
  EXPECT_EQ(b->name, "logits");
  EXPECT_EQ(g.find_value("logits"), b);
  expect_valid();
}

TEST_F(RewriterTest, AnInputKeepsItsName) {
  Value* a = unary("(a:f32) -> neg(a)", x);
  g.rename(a, "copy");
  g.add_output("y", a);
  rw.replace(a, x);
  EXPECT_EQ(x->name, "x");
  rw.erase_dead();
  expect_valid();
}

TEST_F(RewriterTest, ReplacingByAConstantMarksTheReaders) {
  Value* a = unary("(a:f32) -> neg(a)", x);
  Value* y = unary("(a:f32) -> exp(a)", a);
  g.add_output("y", y);
  rw.before(a->producer);
  rw.replace(a, rw.constant(HostTensor::of<float>({2}, {1, 2})));
  EXPECT_EQ(y->producer->op.constant_in, 1u);
  rw.erase_dead();
  expect_valid();
}

TEST_F(RewriterTest, SetOperandMovesOneSlotOnly) {
  Value* a = unary("(a:f32) -> neg(a)", x);
  Value* y = *rw.pointwise("(a:f32, b:f32) -> add(a, b)", {x, x});
  g.add_output("y", y);
  rw.set_operand(y->producer, 1, a);
  EXPECT_EQ(y->producer->in(0), x);
  EXPECT_EQ(y->producer->in(1), a);
  EXPECT_EQ(x->readers.size(), 2u);
  expect_valid();
}

TEST_F(RewriterTest, NothingChangedCountsNothing) {
  g.add_output("y", unary("(a:f32) -> neg(a)", x));
  EXPECT_FALSE(rw.erase_dead());
  EXPECT_EQ(rw.changes(), 0);
}

TEST_F(RewriterTest, ErasingThePlaceOfInsertionMovesItOn) {
  Value* a = unary("(a:f32) -> neg(a)", x);
  Value* b = unary("(a:f32) -> exp(a)", x);
  g.add_output("b", b);
  rw.before(a->producer);
  rw.erase(a->producer);
  unary("(a:f32) -> abs(a)", x);
  EXPECT_EQ(g.nodes().back(), b->producer);
  expect_valid();
}

// %a is read in both branches, %b in none.
Graph with_regions() {
  return *parse_graph(R"IR(graph g(%c: bool[], %x: f32[2]) {
    %a = Pointwise{expr="(a:f32) -> neg(a)"}(%x)
    %b = Pointwise{expr="(a:f32) -> exp(a)"}(%x)
    %y = If(%c, %b, %a) {
      graph yes(%b: f32[2], %a: f32[2]) { %1 = Pointwise{expr="(a:f32) -> abs(a)"}(%b) return y=%a }
      graph no(%b: f32[2], %a: f32[2]) { return y=%a }
    }
    return y=%y
  })IR");
}

TEST(RewriterRegions, WhatARegionReadsStaysAndTheRestGoes) {
  Graph g = with_regions();
  // The unread node in the region still reads %b: dead code is found from the inside.
  EXPECT_FALSE(Rewriter(g).erase_dead());
  EXPECT_TRUE(Rewriter(*g.nodes()[2]->regions[0]).erase_dead());
  EXPECT_TRUE(Rewriter(g).erase_dead());
  ASSERT_EQ(g.node_count(), 2u);
  const Node* node = g.nodes()[1];
  EXPECT_EQ(node->operands.size(), 2u);
  EXPECT_EQ(node->in(1), g.find_value("a"));
  for (const auto& region : node->regions) EXPECT_EQ(region->inputs.size(), 1u);
  EXPECT_TRUE(verify(g).ok()) << verify(g).message();
}

TEST(RewriterRegions, ANodeThatNobodyReadsGoesWithItsRegions) {
  Graph g = with_regions();
  Rewriter rw(g);
  rw.replace(g.outputs[0].value, g.inputs[1].value);
  EXPECT_TRUE(rw.erase_dead());
  EXPECT_EQ(g.node_count(), 0u);
  EXPECT_TRUE(verify(g).ok()) << verify(g).message();
}

TEST(RewriterRegions, ReplacingWhatIsCapturedMovesTheOperand) {
  Graph g = with_regions();
  Rewriter rw(g);
  rw.replace(g.find_value("a"), g.inputs[1].value);
  rw.erase_dead();
  EXPECT_EQ(g.nodes().back()->in(2), g.inputs[1].value);
  EXPECT_TRUE(verify(g).ok()) << verify(g).message();
}

using RewriterDeathTest = RewriterTest;

TEST_F(RewriterDeathTest, ErasingWhatIsReadIsABug) {
  Value* a = unary("(a:f32) -> neg(a)", x);
  g.add_output("y", a);
  EXPECT_DEATH(rw.erase(a->producer), "bug");
}

}  // namespace
}  // namespace lathe
