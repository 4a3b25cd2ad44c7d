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

TEST_F(VerifyTest, LooksIntoRegions) {
  auto region = std::make_unique<Graph>();
  Value* z = region->add_input("z", {DType::F32, {2}});
  region->add_output("z", z);
  z->output_uses = 7;
  b->producer->regions.push_back(std::move(region));
  expect_error("node 'second' (Pointwise): region 0: value %z miscounts");
}

}  // namespace
}  // namespace lathe
