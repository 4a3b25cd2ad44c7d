// SPDX-License-Identifier: Apache-2.0
#include "graph/interpret.h"

#include <gtest/gtest.h>

#include "graph/rewriter.h"

namespace lathe {
namespace {

struct InterpretTest : testing::Test {
  Graph g;
  Rewriter rw{g};
  Value* x = g.add_input("x", {DType::F32, {Dim::symbol("N"), 2}});
};

TEST_F(InterpretTest, ComputesEveryOutput) {
  Value* w = rw.constant(HostTensor::of<float>({2}, {10, 20}));
  Value* y = *rw.pointwise("(a:f32, b:f32) -> add(a, b)", {x, w});
  Value* z = *rw.pointwise("(a:f32, b:f32) -> mul(a, b)", {y, y});
  g.add_output("z", z);
  g.add_output("x", x);
  auto out = interpret(g, {{HostTensor::of<float>({1, 2}, {1, 2})}});
  ASSERT_TRUE(out.ok()) << out.status().message();
  EXPECT_EQ((*out)[0].span<float>()[0], 121);
  EXPECT_EQ((*out)[0].span<float>()[1], 484);
  EXPECT_EQ((*out)[1].span<float>()[1], 2);
}

TEST_F(InterpretTest, RefusesInputsOfAnotherType) {
  g.add_output("x", x);
  EXPECT_FALSE(interpret(g, {}).ok());
  auto out = interpret(g, {{HostTensor::of<float>({1, 3}, {1, 2, 3})}});
  ASSERT_FALSE(out.ok());
  EXPECT_NE(out.status().message().find("input 'x': expected shape [1,2], got [1,3]"),
            std::string::npos)
      << out.status().message();
  EXPECT_FALSE(interpret(g, {{HostTensor::of<int32_t>({1, 2}, {1, 2})}}).ok());
}

TEST_F(InterpretTest, OneSymbolHasOneSize) {
  g.add_input("y", {DType::F32, {Dim::symbol("N")}});
  g.add_output("x", x);
  std::vector<HostTensor> in = {HostTensor::of<float>({1, 2}, {1, 2}),
                                HostTensor::of<float>({2}, {1, 2})};
  EXPECT_NE(interpret(g, in).status().message().find("N is 1 and 2"), std::string::npos);
}

TEST_F(InterpretTest, ChecksTheConstraints) {
  g.add_output("x", x);
  g.add_constraint({Constraint::Kind::Equal, Dim::symbol("N"), Dim(7), "must be seven"});
  auto out = interpret(g, {{HostTensor::of<float>({1, 2}, {1, 2})}});
  ASSERT_FALSE(out.ok());
  EXPECT_NE(out.status().message().find("must be seven"), std::string::npos);
}

}  // namespace
}  // namespace lathe
