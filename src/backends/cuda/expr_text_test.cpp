// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/expr_text.h"

#include <gtest/gtest.h>

namespace lathe::cuda {
namespace {

std::string text_of(const char* expr, std::vector<std::string> inputs) {
  std::vector<std::string> results;
  std::string text = expr_text(*Expr::parse(expr), inputs, "r", &results);
  for (const std::string& r : results) text += "=> " + r + "\n";
  return text;
}

TEST(ExprText, FloatsCallThePreludeAndRoundOnlyWhereTheyAreNarrow) {
  EXPECT_EQ(text_of("(a:f32, b:f32) -> add(a, b)", {"x", "y"}),
            "  const float r2 = f_add(x, y);\n=> r2\n");
  EXPECT_EQ(text_of("(a:f16) -> exp(a)", {"x"}),
            "  const float r1 = rounded<f16>(f_exp(x));\n=> r1\n");
  EXPECT_EQ(text_of("(a:f16, b:f16) -> max(a, b)", {"x", "y"}),
            "  const float r2 = f_max(x, y);\n=> r2\n");
}

TEST(ExprText, IntegersWrapInTheirOwnWidth) {
  EXPECT_EQ(text_of("(a:i8, b:i8) -> div(a, b)", {"x", "y"}),
            "  const i8 r2 = i_div(x, y);\n=> r2\n");
}

TEST(ExprText, LiteralsKeepEveryBit) {
  EXPECT_NE(text_of("(a:f32) -> mul(a, 0.1)", {"x"}).find("__int_as_float(0x3dcccccd)"),
            std::string::npos);
  EXPECT_NE(text_of("(a:f32) -> max(a, -inf)", {"x"}).find("0xff800000"), std::string::npos);
  EXPECT_NE(text_of("(a:i64) -> add(a, -1:i64)", {"x"}).find("0xffffffffffffffffull"),
            std::string::npos);
}

TEST(ExprText, AResultMayBeAnInput) {
  EXPECT_EQ(text_of("(a:f32, b:i32) -> b, a", {"x", "y"}), "=> y\n=> x\n");
}

TEST(ExprText, CastsFromFloatsSaturate) {
  EXPECT_EQ(text_of("(a:f32) -> cast(a, u8)", {"x"}),
            "  const u8 r1 = float_to_int<u8>(x);\n=> r1\n");
  EXPECT_EQ(text_of("(a:i32) -> cast(a, u8), cast_sat(a, u8)", {"x"}),
            "  const u8 r1 = (u8)x;\n  const u8 r2 = saturate_int<u8>(x);\n=> r1\n=> r2\n");
}

}  // namespace
}  // namespace lathe::cuda
