// SPDX-License-Identifier: Apache-2.0
// Inverted residuals: an expansion and the depthwise convolution behind it as one step.
#include "compiled.h"

namespace lathe::testing {
namespace {

constexpr std::string_view kRelu6 = "(a:f32) -> min(max(a, 0), 6)";
constexpr std::string_view kSilu = "(a:f32) -> mul(a, sigmoid(a))";

std::string depthwise(std::string_view y, std::string_view x, std::string_view w, int group,
                      int stride) {
  return fmt::format(
      "  %{} = Conv{{strides=[{}, {}], dilations=[1, 1], pads=[1, 1, 1, 1], group={}}}(%{}, %{}) "
      "\"{}\"\n",
      y, stride, stride, group, x, w, y);
}

// Expansion, depthwise convolution, projection, and the sum with the input.
std::string inverted_residual(std::string_view activation, std::string_view batch = "1") {
  return fmt::format("graph g(%x: f32[{},16,12,11]) {{\n", batch) +
         weights("w", {48, 16, 1, 1}, 1) + weights("u", {48, 1, 3, 3}, 2) +
         weights("v", {16, 48, 1, 1}, 3) + conv("e", "x", "w", 0) +
         pointwise("f", activation, "%e") + depthwise("d", "f", "u", 48, 1) +
         pointwise("g", activation, "%d") + conv("p", "g", "v", 0) +
         pointwise("s", kAdd, "%p, %x") + "  return y=%s\n}\n";
}

TEST(Expansion, JoinsTheDepthwiseConvolutionThatAloneReadsIt) {
  for (const std::string_view activation : {kRelu6, kSilu}) {
    const Compiled c(inverted_residual(activation));
    EXPECT_EQ(c.count("ExpandDepthwise"), 1) << c.steps();
    EXPECT_EQ(c.count("Conv"), 1) << c.steps();
    EXPECT_EQ(c.count("Pointwise"), 0) << c.steps();
    expect_right_in_all_ways(inverted_residual(activation));
  }
}

TEST(Expansion, BatchesAndSymbolsAndStrides) {
  expect_right_in_all_ways(inverted_residual(kRelu6, "3"));
  for (const int64_t n : {1, 2}) {
    expect_right_in_all_ways(inverted_residual(kSilu, "N"), {{"N", n}});
  }
  expect_right_in_all_ways("graph g(%x: f32[2,8,9,14]) {\n" + weights("w", {24, 8, 1, 1}, 1) +
                           weights("u", {24, 1, 3, 3}, 2) + conv("e", "x", "w", 0) +
                           depthwise("d", "e", "u", 24, 2) + pointwise("g", kRelu6, "%d") +
                           "  return y=%g\n}\n");
}

TEST(Expansion, WritesItsPartOfAConcat) {
  const std::string joined = "graph g(%x: f32[1,16,8,8]) {\n" + weights("w", {32, 16, 1, 1}, 1) +
                             weights("u", {32, 1, 3, 3}, 2) + conv("e", "x", "w", 0) +
                             pointwise("f", kRelu6, "%e") + depthwise("d", "f", "u", 32, 1) +
                             pointwise("g", "(a:f32) -> add(a, 1)", "%d") +
                             "  %j = Concat{axis=1}(%x, %g) \"j\"\n  return y=%j\n}\n";
  const Compiled c(joined);
  EXPECT_EQ(c.count("ExpandDepthwise"), 1) << c.steps();
  EXPECT_EQ(c.count("Concat"), 0) << c.steps();
  expect_right_in_all_ways(joined);
}

TEST(Expansion, StaysApartWhereItIsReadAgainOrTheOtherIsNotDepthwise) {
  const std::string twice = "graph g(%x: f32[1,16,8,8]) {\n" + weights("w", {32, 16, 1, 1}, 1) +
                            weights("u", {32, 1, 3, 3}, 2) + conv("e", "x", "w", 0) +
                            pointwise("f", kRelu6, "%e") + depthwise("d", "f", "u", 32, 1) +
                            pointwise("s", kAdd, "%d, %f") + "  return y=%s\n}\n";
  const Compiled again(twice);
  EXPECT_EQ(again.count("ExpandDepthwise"), 0) << again.steps();
  const std::string multiplied = "graph g(%x: f32[1,16,8,8]) {\n" +
                                 weights("w", {32, 16, 1, 1}, 1) + weights("u", {64, 1, 3, 3}, 2) +
                                 conv("e", "x", "w", 0) + pointwise("f", kRelu6, "%e") +
                                 depthwise("d", "f", "u", 32, 1) + "  return y=%d\n}\n";
  const Compiled wide(multiplied);
  EXPECT_EQ(wide.count("ExpandDepthwise"), 0) << wide.steps();
  expect_right_in_all_ways(twice);
  expect_right_in_all_ways(multiplied);
}

}  // namespace
}  // namespace lathe::testing
