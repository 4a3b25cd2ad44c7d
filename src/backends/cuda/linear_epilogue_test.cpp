// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/linear_epilogue.h"

#include <gtest/gtest.h>

namespace lathe::cuda {
namespace {

// A product [4,8] x [8,16] with extra operands and an epilogue over (y, extras..., a).
OpInstance product(const char* epilogue, std::vector<Shape> extras) {
  const TensorType a{DType::F32, {4, 8}}, b{DType::F32, {8, 16}};
  OpInstance op = infer(*find_op("MatMul"), {a, b}, {})->op;
  op.fusion.anchor_operands = 2;
  op.fusion.anchor_in = op.in;
  op.fusion.anchor_out = op.out;
  op.fusion.epilogue = *Expr::parse(epilogue);
  for (const Shape& s : extras) op.in.push_back({DType::F32, s});
  return op;
}

TEST(LinearEpilogue, FindsVectorTensorAndRelu) {
  LinearEpilogue e;
  const OpInstance op =
      product("(y:f32, v:f32, r:f32, a:f32) -> max(add(r, add(y, v)), 0)", {{16}, {4, 16}});
  ASSERT_TRUE(match_linear(op, -1, 1, &e));
  EXPECT_TRUE(e.relu);
  EXPECT_EQ(e.vector, 2);
  EXPECT_EQ(e.tensor, 3);
}

TEST(LinearEpilogue, ReluMayStandOnEitherSide) {
  LinearEpilogue e;
  ASSERT_TRUE(match_linear(product("(y:f32, a:f32) -> max(0, y)", {}), -1, 1, &e));
  EXPECT_TRUE(e.relu);
}

TEST(LinearEpilogue, SeesThroughCastsBetweenFloats) {
  LinearEpilogue e;
  const char* text =
      "(y:f32, r:f32, a:f32) -> "
      "cast(max(add(cast(y, f64), cast(r, f64)), 0:f64), f32)";
  ASSERT_TRUE(match_linear(product(text, {{4, 16}}), -1, 1, &e));
  EXPECT_TRUE(e.relu);
  EXPECT_EQ(e.tensor, 2);
  EXPECT_FALSE(match_linear(product("(y:f32, a:f32) -> cast(cast(y, i32), f32)", {}), -1, 1, &e));
}

TEST(LinearEpilogue, DeclinesWhatIsNoSum) {
  LinearEpilogue e;
  EXPECT_FALSE(match_linear(product("(y:f32, a:f32) -> sigmoid(y)", {}), -1, 1, &e));
  EXPECT_FALSE(match_linear(product("(y:f32, a:f32) -> max(y, 1)", {}), -1, 1, &e));
  EXPECT_FALSE(match_linear(product("(y:f32, a:f32) -> add(y, y)", {}), -1, 1, &e));
  EXPECT_FALSE(match_linear(product("(y:f32, v:f32, a:f32) -> mul(y, v)", {{16}}), -1, 1, &e));
}

TEST(LinearEpilogue, DeclinesASecondVectorAndOneAlongAnotherAxis) {
  LinearEpilogue e;
  const char* two = "(y:f32, v:f32, w:f32, a:f32) -> add(add(y, v), w)";
  EXPECT_FALSE(match_linear(product(two, {{16}, {16}}), -1, 1, &e));
  EXPECT_FALSE(match_linear(product("(y:f32, v:f32, a:f32) -> add(y, v)", {{4, 1}}), -1, 1, &e));
}

}  // namespace
}  // namespace lathe::cuda
