// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <random>

#include "graph/rewriter.h"

namespace lathe {
namespace {

template <class T>
T must(Result<T> r) {
  EXPECT_TRUE(r.ok()) << r.status().message();
  if (!r.ok()) std::abort();
  return *std::move(r);
}

std::string sample() {
  // Built in memory rather than parsed, so that the printer is tested against the API.
  Graph g;
  g.name = "a net";
  const Dim n = Dim::symbol("N");
  Value* x = g.add_input("x", {DType::F32, {n, 4}});
  g.add_input("mask", {DType::Bool, {n}});
  g.rename(g.inputs[1].value, "m");
  g.add_constraint({Constraint::Kind::Equal, n, 2 * Dim::symbol("M"), "node 'a \"b\"': sizes"});
  g.add_constraint({Constraint::Kind::Positive, Dim::floor_div(n, 2), {}, "why"});
  Rewriter rw(g);
  Value* w = rw.constant(HostTensor::of<float>({4}, {1, 2.5, -1.0f / 3, 1e-30f}), "w");
  Value* y = must(rw.pointwise("(a:f32, b:f32) -> add(a, b)", {x, w}, "add\n1"));
  g.rename(y, "odd name:0");
  Value* r = must(rw.add("Reshape", {y}, Attrs().set("shape", Dims{2 * n, 2})));
  Node* top = must(rw.add_node(
      "TopK", {x}, Attrs().set("axis", int64_t{1}).set("k", Dims{2}).set("largest", int64_t{1})));
  Value* image = g.add_input("image", {DType::F32, {n, 3, 8}});
  Value* kernel = rw.constant(HostTensor::of<float>({1, 3, 1}, {1, 2, 3}));
  Value* c = must(rw.add(
      "Conv", {image, kernel, nullptr},
      Attrs().set("strides", Ints{1}).set("dilations", Ints{1}).set("pads", Ints{0, 0}), "conv"));
  g.add_output("y", r);
  g.add_output("top", top->out(0));
  g.add_output("index of", top->out(1));
  g.add_output("c", c);
  EXPECT_TRUE(verify(g).ok()) << verify(g).message();
  return to_string(g);
}

TEST(Text, ReadsBackToItself) {
  const std::string text = sample();
  Result<Graph> again = parse_graph(text);
  ASSERT_TRUE(again.ok()) << again.status().message() << "\n" << text;
  EXPECT_EQ(to_string(*again), text);
  EXPECT_TRUE(verify(*again).ok()) << verify(*again).message();
  EXPECT_EQ(again->inputs[1].name, "mask");
  EXPECT_EQ(again->inputs[1].value->name, "m");
  EXPECT_EQ(again->constraints.size(), 2u);
}

TEST(Text, AbsentOperandsAreUnderscores) {
  EXPECT_NE(sample().find(", _) \"conv\""), std::string::npos) << sample();
}

constexpr const char* kRegions = R"IR(graph net(%c: bool[], %x: f32[N,2]) {
  %y, %z = If{symbols="P"}(%c, %x) "choose" {                     # f32[N,2], f32[P.1.0,2]
    graph then_branch(%v: f32[N,2]) {
      %1 = Pointwise{expr="(a:f32) -> neg(a)"}(%v)                # f32[N,2]
      return y=%1, z=%v
    }
    graph else_branch(%v: f32[N,2]) {
      %t = Constant{value=i64[] {3}}()                            # i64[]
      %1, %2 = Loop{carried=1, symbols="Q", trips=dims[3]}(%t, _, %v) {  # f32[N,2], f32[3,N,2]
        graph body(%i: i64[], %go: bool[], %w: f32[N,2]) {
          %s = Pointwise{expr="(a:f32) -> add(a, 1)"}(%w)         # f32[N,2]
          return go=%go, w=%s, w_2=%s
        }
      }
      %3 = Concat{axis=0}(%v, %v)                                 # f32[2*N,2]
      return y=%1, z=%3
    }
  }
  return y=%y, z=%z
}
)IR";

TEST(Text, RegionsNestInBraces) {
  Result<Graph> g = parse_graph(kRegions);
  ASSERT_TRUE(g.ok()) << g.status().message();
  EXPECT_EQ(to_string(*g), kRegions);
  EXPECT_TRUE(verify(*g).ok()) << verify(*g).message();
  const Node* choose = g->nodes()[0];
  ASSERT_EQ(choose->regions.size(), 2u);
  EXPECT_EQ(choose->outputs[1]->type.to_string(), "f32[P.1.0,2]");
  EXPECT_EQ(choose->regions[1]->nodes()[1]->regions.size(), 1u);
  EXPECT_EQ(to_string(g->clone()), kRegions);
}

TEST(Text, LargeTensorsAbbreviateUnlessFull) {
  Graph g;
  std::vector<float> values(1000, 0.5f);
  g.add_output("w", g.constant(HostTensor::of<float>({1000}, values), "w"));
  EXPECT_LT(to_string(g, false).size(), 300u);
  EXPECT_GT(to_string(g, true).size(), 3000u);
}

void expect_error(std::string_view text, std::string_view part) {
  Result<Graph> g = parse_graph(text);
  ASSERT_FALSE(g.ok()) << text;
  EXPECT_NE(g.status().message().find(part), std::string::npos) << g.status().message();
}

TEST(Text, ErrorsSayTheLineAndWhatWasExpected) {
  expect_error("", "line 1: expected 'graph', found the end");
  expect_error("graph g(%x: f32[2]) {\n return y=%z\n}", "line 2: %z is not defined");
  expect_error("graph g(%x: f32[2], %x: f32[2]) {", "%x is defined twice");
  expect_error("graph g(%x: f32[2]) {\n %x = Constant{value=f32[1] {1}}()\n", "defined twice");
  expect_error("graph g(%x: f99[2]) {\n return\n}", "line 1");
  expect_error("graph g(%x: f32[-2]) {\n return\n}", "negative");
  expect_error("graph g(%x: f32[4611686018427387904, 16]) {\n return\n}", "overflow");
  expect_error("graph g() {\n %y = Nope()\n return\n}", "line 2: there is no operator 'Nope'");
  expect_error("graph g(%x: f32[2]) {\n %y = Transpose{perm=[0, 7]}(%x)\n return\n}", "line 2");
  expect_error("graph g(%x: f32[2]) {\n %y, %z = Transpose{perm=[0]}(%x)\n return\n}", "1 outputs");
  expect_error("graph g(%x: f32[2]) {\n %y = Transpose{perm=[0]}(%x) { graph r() { return } }\n",
               "line 2: a node (Transpose): Transpose: it holds no graphs, got 1");
  expect_error("graph g(%c: bool[]) {\n %y = If(%c)\n return\n}", "If: expected 2 graphs");
  expect_error("graph g(%c: bool[]) {\n %y = If(%c) {\n graph r() {\n return y=%c\n",
               "line 4: %c is not defined");
  expect_error("graph g() {\n return\n} graph", "expected the end");
  expect_error("graph g() {\n require odd(N) \"x\"\n return }", "a kind of constraint");
  expect_error("graph \"abc", "does not end");
  expect_error("graph \"\\q\"() { return }", "unknown escape");
}

TEST(Text, DepthIsBounded) {
  std::string text;
  for (int k = 0; k < 100000; ++k) text += "graph g(%x: f32[2]) { %y = Transpose{perm=[0]}(%x) { ";
  expect_error(text, "nest deeper");
  expect_error("graph g(%x: f32[2]) { %y = Transpose" + std::string(1000000, '{'), "never closed");
}

void expect_no_crash(const std::string& text) {
  for (size_t length = 0; length < text.size(); ++length) {
    const bool parsed = parse_graph(text.substr(0, length)).ok();
    EXPECT_TRUE(!parsed || length >= text.size() - 1) << length;
  }
  std::mt19937 rng(1);
  const std::string_view alphabet = "(){}[]\"\\%_,=:#0179 \nNaxf-*";
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = text;
    for (int k = 0; k < 3; ++k) {
      const size_t at = rng() % damaged.size();
      switch (rng() % 3) {
        case 0: damaged[at] = alphabet[rng() % alphabet.size()]; break;
        case 1: damaged.erase(at, 1 + rng() % 8); break;
        default: damaged.insert(at, damaged.substr(rng() % damaged.size(), rng() % 16));
      }
      if (damaged.empty()) damaged = "g";
    }
    Result<Graph> g = parse_graph(damaged);
    Status valid = g.ok() ? verify(*g) : Status();
    // Two nodes whose symbols begin alike pass the parser and not the verifier.
    EXPECT_TRUE(valid.ok() || valid.message().find("symbols begin") != std::string::npos)
        << valid.message() << "\n"
        << damaged;
  }
}

TEST(Text, DamagedTextNeverCrashes) {
  expect_no_crash(sample());
  expect_no_crash(kRegions);
}

}  // namespace
}  // namespace lathe
