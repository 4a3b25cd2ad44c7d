// SPDX-License-Identifier: Apache-2.0
// Parts of tensors in place: what is left of Concat and Slice, and that the numbers stay right.
#include "compiled.h"

namespace lathe::testing {
namespace {

std::string slice(std::string_view y, std::string_view x, int start, int size) {
  return fmt::format(
      "  %{} = Slice{{axes=[1], starts=dims[{}], sizes=dims[{}], steps=[1]}}(%{}) \"{}\"\n", y,
      start, size, x, y);
}

// A block that splits its channels, works on one half and joins everything that it had.
std::string split_block(std::string_view batch = "1") {
  return fmt::format("graph g(%x: f32[{},16,12,12]) {{\n", batch) +
         weights("w", {32, 16, 1, 1}, 1) + weights("u", {16, 16, 3, 3}, 2) +
         weights("v", {8, 48, 1, 1}, 3) + conv("c", "x", "w", 0) + pointwise("r", kRelu, "%c") +
         slice("a", "r", 0, 16) + slice("b", "r", 16, 16) + conv("d", "b", "u", 1) +
         pointwise("s", kAddRelu, "%d, %b") + "  %j = Concat{axis=1}(%a, %b, %s) \"j\"\n" +
         conv("e", "j", "v", 0) + "  return y=%e\n}\n";
}

TEST(Parts, ASplitAndJoinedBlockCopiesNothing) {
  const Compiled c(split_block());
  EXPECT_EQ(c.count("Concat") + c.count("Slice") + c.count("Pointwise"), 0) << c.steps();
  EXPECT_EQ(c.count("Conv"), 3) << c.steps();
  expect_right_in_all_ways(split_block());
}

TEST(Parts, BatchesMakeThemStridedAndSymbolic) {
  expect_right_in_all_ways(split_block("3"));
  for (const int64_t n : {1, 2, 5}) expect_right_in_all_ways(split_block("N"), {{"N", n}});
}

// Tensors that stay where they are: an input, one that is in two places, an output.
std::string joined_twice() {
  return "graph g(%x: f32[2,4,6,6], %z: f32[2,4,6,6]) {\n" + weights("w", {8, 4, 3, 3}, 1) +
         weights("u", {8, 4, 3, 3}, 2) + conv("a", "x", "w", 1) + conv("b", "z", "u", 1) +
         pointwise("p", "(a:f32) -> tanh(a)", "%b") +
         "  %j = Concat{axis=1}(%a, %x, %p) \"j\"\n  %k = Concat{axis=1}(%a, %p, %a) \"k\"\n" +
         pointwise("q", kRelu, "%j") + "  return j=%q, k=%k, p=%p\n}\n";
}

TEST(Parts, WhatHasNoPlaceOfItsOwnIsCopied) { expect_right_in_all_ways(joined_twice()); }

// What a copy reads moves away after it: a part with its whole, an operand to a later Concat.
std::string moved_later() {
  return "graph g(%x: f32[2,4,6,6]) {\n" + weights("w", {8, 4, 3, 3}, 1) +
         weights("u", {8, 4, 3, 3}, 2) + conv("a", "x", "w", 1) + conv("b", "x", "u", 1) +
         slice("p", "a", 0, 3) + "  %j = Concat{axis=1}(%p, %a, %x, %p) \"j\"\n" +
         pointwise("c", "(a:f32) -> tanh(a)", "%x") +
         "  %k = Concat{axis=1}(%b, %b, %c) \"k\"\n  %l = Concat{axis=1}(%b, %x) \"l\"\n" +
         pointwise("q", kRelu, "%j") + "  return j=%q, k=%k, l=%l\n}\n";
}

TEST(Parts, CopiesReadWhereTheirOperandLiesInTheEnd) { expect_right_in_all_ways(moved_later()); }

std::string rows() {
  return "graph g(%x: f32[5,24]) {\n" + weights("w", {24, 36}, 1) + weights("v", {12, 12}, 2) +
         "  %m = MatMul{}(%x, %w) \"m\"\n" + slice("q", "m", 0, 12) + slice("k", "m", 12, 12) +
         slice("v0", "m", 24, 12) + "  %n = MatMul{}(%k, %v) \"n\"\n" +
         pointwise("s", "(a:f32, b:f32, c:f32) -> add(mul(a, b), c)", "%q, %v0, %n") +
         "  %t = Concat{axis=1}(%s, %q) \"t\"\n  return y=%t\n}\n";
}

TEST(Parts, ColumnsOfAJointProductAreReadInPlace) {
  const Compiled c(rows());
  EXPECT_EQ(c.count("Slice"), 0) << c.steps();
  expect_right_in_all_ways(rows());
}

TEST(Parts, IntegersAndBytesAreJoinedToo) {
  const std::string text =
      "graph g(%x: i32[3,4], %z: u8[3,4]) {\n"
      "  %a = Pointwise{expr=\"(a:i32) -> add(a, 1:i32)\"}(%x)\n"
      "  %b = Pointwise{expr=\"(a:u8) -> cast(a, i32)\"}(%z)\n"
      "  %j = Concat{axis=1}(%a, %b)\n  %k = Slice{axes=[1], starts=dims[2], sizes=dims[4], "
      "steps=[1]}(%j)\n  return j=%j, k=%k\n}\n";
  expect_right_in_all_ways(text);
}

}  // namespace
}  // namespace lathe::testing
