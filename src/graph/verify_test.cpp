// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "graph/rewriter.h"

namespace lathe {
namespace {

struct VerifyTest : testing::Test {
  Graph g;
  Value* x = g.add_input("x", {DType::F32, {2}});
  Value* a = relu(x, "first");
  Value* b = relu(a, "second");

  VerifyTest() { g.add_output("y", b); }
  Value* relu(Value* v, const char* name) {
    return *Rewriter(g).pointwise("(a:f32) -> max(a, 0)", {v}, name);
  }
  void expect_error(std::string_view part) {
    Status s = verify(g);
    EXPECT_EQ(s.code(), Code::Internal);
    EXPECT_NE(s.message().find(part), std::string::npos) << s.message();
  }
};

TEST_F(VerifyTest, AcceptsASoundGraph) { EXPECT_TRUE(verify(g).ok()); }

TEST_F(VerifyTest, NamesTheNodeThatReadsBeforeTheDefinition) {
  std::swap(a->producer->operands[0], b->producer->operands[0]);
  expect_error("node 'first' (Pointwise): operand 0");
}

TEST_F(VerifyTest, FindsAForgottenReader) {
  a->readers.clear();
  expect_error("value %1 has 1 readers and records 0");
}

TEST_F(VerifyTest, FindsATypeThatInferenceDoesNotGive) {
  b->type.shape = {3};
  b->producer->op.out[0].shape = {3};
  expect_error("node 'second' (Pointwise): inference gives other types");
}

TEST_F(VerifyTest, FindsAnOperandOfAnotherType) {
  x->type.dtype = DType::F16;
  expect_error("node 'first' (Pointwise): operand 0 (%x) is f16[2]");
}

TEST_F(VerifyTest, FindsTwoValuesOfOneName) {
  a->name = "x";
  expect_error("node 'first' (Pointwise): value name %x is not unique");
}

TEST_F(VerifyTest, FindsAnOutputThatIsNotCounted) {
  b->output_uses = 0;
  expect_error("miscounts");
}

TEST_F(VerifyTest, FindsAnOutputOfAnotherGraph) {
  Graph other;
  g.outputs[0].value = other.add_input("z", {DType::F32, {2}});
  expect_error("output 'y' is no value of this graph");
}

TEST_F(VerifyTest, FindsStaleConstantMarks) {
  a->producer->op.constant_in = 1;
  expect_error("node 'first' (Pointwise): constant_in is stale");
}

// %y is x or its negative.
struct VerifyRegionsTest : testing::Test {
  Graph g = *parse_graph(R"IR(graph g(%c: bool[], %x: f32[2]) {
    %y = If{symbols="P"}(%c, %x) "choose" {
      graph then_branch(%v: f32[2]) {
        %n = Pointwise{expr="(a:f32) -> neg(a)"}(%v) "negate"
        return y=%n
      }
      graph else_branch(%v: f32[2]) { return y=%v }
    }
    return y=%y
  })IR");
  Node* choose = g.nodes()[0];
  Graph& branch = *choose->regions[0];

  void expect_error(std::string_view part) {
    Status s = verify(g);
    EXPECT_EQ(s.code(), Code::Internal);
    EXPECT_NE(s.message().find(part), std::string::npos) << s.message();
  }
};

TEST_F(VerifyRegionsTest, AcceptsASoundGraph) {
  EXPECT_TRUE(verify(g).ok()) << verify(g).message();
}

TEST_F(VerifyRegionsTest, LooksIntoRegions) {
  branch.inputs[0].value->output_uses = 7;
  expect_error("node 'choose' (If): region 0: value %v miscounts");
}

TEST_F(VerifyRegionsTest, FindsAValueThatIsReadFromOutside) {
  branch.nodes()[0]->operands[0] = g.inputs[1].value;
  expect_error("region 0: node 'negate' (Pointwise): operand 0 (%x) is not defined before");
}

TEST_F(VerifyRegionsTest, FindsARegionOfAnotherType) {
  branch.inputs[0].value->type.shape = {3};
  for (Value* v : {branch.outputs[0].value, branch.inputs[0].value}) v->type.shape = {3};
  branch.nodes()[0]->op.in[0].shape = branch.nodes()[0]->op.out[0].shape = {3};
  Status s = verify(g);
  EXPECT_NE(
      s.message().find("node 'choose' (If): If: then_branch: input 0 is f32[3], operand 1 is"),
      std::string::npos)
      << s.message();
}

TEST_F(VerifyRegionsTest, FindsARegionThatGivesMore) {
  branch.add_output("z", branch.inputs[0].value);
  EXPECT_NE(verify(g).message().find("then_branch gives 2 results, else_branch 1"),
            std::string::npos);
}

TEST_F(VerifyRegionsTest, FindsARegionThatIsMissing) {
  choose->regions.pop_back();
  EXPECT_NE(verify(g).message().find("expected 2 graphs (then_branch else_branch), got 1"),
            std::string::npos);
  choose->regions[0] = nullptr;
  expect_error("node 'choose' (If): region 0 is null");
}

TEST_F(VerifyRegionsTest, FindsSymbolsOfTwoOwners) {
  std::vector<std::unique_ptr<Graph>> copies;
  for (const auto& r : choose->regions) copies.push_back(std::make_unique<Graph>(r->clone()));
  auto twin = g.append("If", {g.inputs[0].value, g.inputs[1].value}, Attrs(choose->op.attrs),
                       "again", nullptr, std::move(copies));
  ASSERT_TRUE(twin.ok()) << twin.status().message();
  expect_error("node 'again' (If): its symbols begin with 'P', as those of node 'choose' (If) do");
}

TEST_F(VerifyRegionsTest, BoundsTheDepth) {
  for (int depth = 0; depth <= kMaxRegionDepth; ++depth) {
    Graph outer;
    Value* c = outer.add_input("c", {DType::Bool, {}});
    Value* x = outer.add_input("x", {DType::F32, {2}});
    std::vector<std::unique_ptr<Graph>> branches;
    for (int k = 0; k < 2; ++k) {
      auto region = std::make_unique<Graph>();
      Value* inner_c = region->add_input("c", {DType::Bool, {}});
      Value* inner_x = region->add_input("x", {DType::F32, {2}});
      if (k == 0 && depth > 0) {
        *region = std::move(g);
      } else {
        region->add_output("y", inner_x);
      }
      (void)inner_c;
      branches.push_back(std::move(region));
    }
    auto node = outer.append("If", {c, c, x}, {}, "n", nullptr, std::move(branches));
    ASSERT_TRUE(node.ok()) << node.status().message();
    outer.add_output("y", (*node)->out());
    g = std::move(outer);
  }
  Status s = verify(g);
  EXPECT_NE(s.message().find("regions nest deeper than 32"), std::string::npos) << s.message();
}

}  // namespace
}  // namespace lathe
