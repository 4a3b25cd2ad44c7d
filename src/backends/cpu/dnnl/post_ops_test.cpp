// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/dnnl/post_ops.h"

#include <gtest/gtest.h>

namespace lathe::cpu {
namespace {

// A 1x1 convolution to [2, 32, 4, 4] with this epilogue over the result a, an operand b of its
// shape and an operand c by channel.
OpInstance conv_with(const char* epilogue) {
  const TensorType x{DType::F32, Shape{2, 16, 4, 4}}, w{DType::F32, Shape{32, 16, 1, 1}};
  Attrs a;
  a.set("strides", Ints{1, 1}).set("dilations", Ints{1, 1}).set("pads", Ints{0, 0, 0, 0});
  a.set("group", int64_t{1});
  OpInstance op = infer(*find_op("Conv"), {x, w}, a)->op;
  op.fusion.anchor_operands = static_cast<int>(op.in.size());
  op.fusion.anchor_in = op.in;
  op.fusion.anchor_out = op.out;
  op.fusion.epilogue = *Expr::parse(epilogue);
  op.in.push_back(op.out[0]);
  op.in.push_back({DType::F32, Shape{32, 1, 1}});
  return op;
}

std::vector<PostOp> steps(const char* epilogue) {
  const PostOps post = match_post_ops(conv_with(epilogue));
  EXPECT_EQ(post.why, "") << epilogue;
  return post.list;
}

TEST(PostOps, NoEpilogueIsNoStep) {
  OpInstance op = conv_with("(a:f32) -> a");
  op.fusion.epilogue = Expr();
  EXPECT_TRUE(match_post_ops(op).ok());
  EXPECT_TRUE(match_post_ops(op).list.empty());
}

TEST(PostOps, ActivationsAreOneStep) {
  const struct {
    const char* text;
    Eltwise step;
    float alpha;
  } cases[] = {
      {"(a:f32) -> max(a, 0)", Eltwise::Relu, 0},
      {"(a:f32) -> min(max(a, 0), 6)", Eltwise::Clip, 0},
      {"(a:f32) -> max(min(a, 6), -1)", Eltwise::Clip, -1},
      {"(a:f32) -> max(a, mul(a, 0.25))", Eltwise::Relu, 0.25f},
      {"(a:f32) -> select(ge(a, 0), a, mul(0.25, a))", Eltwise::Relu, 0.25f},
      {"(a:f32) -> mul(a, sigmoid(mul(a, 1.5)))", Eltwise::Swish, 1.5f},
      {"(a:f32) -> mul(div(min(6, max(0, add(3, a))), 6), a)", Eltwise::HardSwish, 0},
      {"(a:f32) -> mul(a, mul(0.5, add(1, erf(mul(a, 0.70710678)))))", Eltwise::GeluErf, 0},
      {"(a:f32) -> select(lt(a, 0), mul(2, sub(exp(a), 1)), a)", Eltwise::Elu, 2},
      {"(a:f32) -> mul(a, a)", Eltwise::Square, 0},
  };
  for (const auto& c : cases) {
    const std::vector<PostOp> list = steps(c.text);
    ASSERT_EQ(list.size(), 1u) << c.text;
    EXPECT_EQ(list[0].eltwise, c.step) << c.text;
    EXPECT_EQ(list[0].alpha, c.alpha) << c.text;
  }
}

TEST(PostOps, AffineStepsJoin) {
  const std::vector<PostOp> list = steps("(a:f32) -> sub(1, div(add(a, 3), 2))");
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].alpha, -0.5f);
  EXPECT_EQ(list[0].beta, -0.5f);
}

TEST(PostOps, OperandsAreReadInTheRankOfTheResult) {
  const std::vector<PostOp> list = steps("(a:f32, b:f32, c:f32) -> max(add(mul(a, c), b), 0)");
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].binary, Binary::Mul);
  EXPECT_EQ(list[0].operand, 3);
  EXPECT_EQ(list[0].with.dims, (std::vector<int64_t>{1, 32, 1, 1}));
  EXPECT_EQ(list[1].binary, Binary::Add);
  EXPECT_EQ(list[1].operand, 2);
  EXPECT_EQ(list[2].eltwise, Eltwise::Relu);
}

TEST(PostOps, DeclinesWithAReason) {
  const std::pair<const char*, const char*> cases[] = {
      {"(a:f32, b:f32) -> add(a, exp(mul(a, b)))",
       "a step combines two functions of the anchor's result"},
      {"(a:f32, b:f32) -> div(b, a)", "the anchor's result is a divisor"},
      {"(a:f32, b:f32) -> add(a, exp(b))", "an operand of the epilogue is an expression"},
      {"(a:f32) -> sin(a)", "onednn has no post-operation for sin here"},
      {"(a:f32) -> cast(a, i32)", "a step of the epilogue computes i32"},
      {"(a:f32) -> mul(tanh(div(a, 2)), 2)",
       "the epilogue has one activation twice, with other parameters"},
      // Almost a GELU: the constant is off in the fourth digit.
      {"(a:f32) -> mul(mul(a, 0.5), add(1, erf(mul(a, 0.7072))))",
       "a step combines two functions of the anchor's result"},
  };
  for (const auto& [text, why] : cases) {
    EXPECT_EQ(match_post_ops(conv_with(text)).why, why) << text;
  }
}

}  // namespace
}  // namespace lathe::cpu
