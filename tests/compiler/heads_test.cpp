// SPDX-License-Identifier: Apache-2.0
// Attention between products: heads where the products leave and want them, no transposes, and the
// numbers stay right.
#include "compiled.h"

namespace lathe::testing {
namespace {

std::string reshape(std::string_view y, std::string_view x, std::string_view shape) {
  return fmt::format("  %{} = Reshape{{shape=dims[{}]}}(%{}) \"{}\"\n", y, shape, x, y);
}
std::string transpose(std::string_view y, std::string_view x, std::string_view perm) {
  return fmt::format("  %{} = Transpose{{perm=[{}]}}(%{}) \"{}\"\n", y, perm, x, y);
}
std::string slice(std::string_view y, std::string_view x, int start, int size) {
  return fmt::format(
      "  %{} = Slice{{axes=[2], starts=dims[{}], sizes=dims[{}], steps=[1]}}(%{}) \"{}\"\n", y,
      start, size, x, y);
}
std::string attention(std::string_view q, std::string_view k, std::string_view v) {
  return fmt::format("  %y = Attention{{scale=0.5}}(%{}, %{}, %{}) \"attention\"\n", q, k, v);
}

// One product makes Q, K and V of 2 heads of 4; one reads all heads of a token.
std::string block(std::string_view n, std::string_view s) {
  const std::string heads = fmt::format("{},{},2,4", n, s), merged = fmt::format("{},{},8", n, s);
  std::string text = fmt::format("graph g(%x: f32[{},{},8]) {{\n", n, s) +
                     weights("w", {8, 24}, 1) + weights("u", {8, 8}, 2) +
                     "  %m = MatMul{}(%x, %w) \"qkv\"\n";
  for (const auto& [name, start] : {std::pair{"q", 0}, std::pair{"k", 8}, std::pair{"v", 16}}) {
    const std::string part = fmt::format("{}s", name), split = fmt::format("{}r", name);
    text += slice(part, "m", start, 8) + reshape(split, part, heads) +
            transpose(name, split, "0, 2, 1, 3");
  }
  return text + attention("q", "k", "v") + transpose("t", "y", "0, 2, 1, 3") +
         reshape("z", "t", merged) + "  %o = MatMul{}(%z, %u) \"out\"\n  return o=%o\n}\n";
}

TEST(Heads, OfAJointProductAreReadAndWrittenInPlace) {
  const Compiled c(block("1", "6"));
  EXPECT_EQ(c.count("Transpose") + c.count("Slice"), 0) << c.steps();
  EXPECT_EQ(c.plan.steps.size(), 3u) << c.steps();
  EXPECT_EQ(c.first("Attention").op.out[0].to_string(), "f32[1,2,6,4]@shd");
  expect_right_in_all_ways(block("1", "6"));
}

TEST(Heads, OfBatchesAndOfSymbolicSizesToo) {
  EXPECT_EQ(Compiled(block("3", "5")).count("Transpose"), 0);
  EXPECT_EQ(Compiled(block("N", "S")).count("Transpose"), 0);
  expect_right_in_all_ways(block("3", "5"));
  for (const int64_t n : {1, 4}) expect_right_in_all_ways(block("N", "S"), {{"N", n}, {"S", 7}});
}

// Tokens are the first dimension and heads part of the batch, as torch.nn.MultiheadAttention has
// it.
std::string sequence_first() {
  std::string text = "graph g(%x: f32[6,1,8]) {\n" + weights("w", {8, 24}, 1) +
                     "  %m = MatMul{}(%x, %w) \"qkv\"\n";
  for (const auto& [name, start] : {std::pair{"q", 0}, std::pair{"k", 8}, std::pair{"v", 16}}) {
    const std::string part = fmt::format("{}s", name), split = fmt::format("{}r", name),
                      heads = fmt::format("{}t", name);
    text += slice(part, "m", start, 8) + reshape(split, part, "6,2,4") +
            transpose(heads, split, "1, 0, 2") + reshape(name, heads, "1,2,6,4");
  }
  return text + attention("q", "k", "v") + transpose("t", "y", "2, 0, 1, 3") +
         reshape("z", "t", "6,8") + pointwise("o", kRelu, "%z") + "  return o=%o\n}\n";
}

TEST(Heads, BehindTokensAsTheFirstDimension) {
  const Compiled c(sequence_first());
  EXPECT_EQ(c.count("Transpose") + c.count("Slice"), 0) << c.steps();
  expect_right_in_all_ways(sequence_first());
}

// q: heads inside their elements, which no view can part; k: read twice; v and y: as they are.
std::string stubborn() {
  return "graph g(%x: f32[1,6,8], %v: f32[1,2,6,4]) {\n" + weights("w", {8, 8}, 1) +
         "  %m = MatMul{}(%x, %w) \"m\"\n" + reshape("qr", "m", "1,6,4,2") +
         transpose("q", "qr", "0, 3, 1, 2") + reshape("kr", "m", "1,6,2,4") +
         transpose("k", "kr", "0, 2, 1, 3") + pointwise("p", "(a:f32) -> tanh(a)", "%k") +
         attention("q", "k", "v") + "  return y=%y, p=%p\n}\n";
}

TEST(Heads, ThatNoViewCanPartAreTransposed) {
  const Compiled c(stubborn());
  EXPECT_EQ(c.count("Transpose"), 2) << c.steps();
  expect_right_in_all_ways(stubborn());
}

}  // namespace
}  // namespace lathe::testing
