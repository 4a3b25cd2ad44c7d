// SPDX-License-Identifier: Apache-2.0
#include "passes/pass.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace lathe {
namespace {

constexpr std::string_view kText = R"IR(graph g(%x: f32[2,3]) {
  %a = Reshape{shape=dims[2, 3]}(%x)
  %h = Constant{value=f32[] {0.5}}()
  %y = Pointwise{expr="(a:f32, b:f32) -> mul(a, b)"}(%a, %h)
  return y=%y
})IR";

Graph sample() {
  Result<Graph> g = parse_graph(kText);
  EXPECT_TRUE(g.ok()) << g.status().message();
  return *std::move(g);
}

TEST(RunPasses, RewritesUntilNothingChanges) {
  Graph g = sample();
  ASSERT_TRUE(run_passes(g).ok());
  EXPECT_EQ(g.node_count(), 1u);
  const std::string once = to_string(g);
  ASSERT_TRUE(run_passes(g).ok());
  EXPECT_EQ(to_string(g), once);
}

TEST(RunPasses, ADisabledPassDoesNotRun) {
  Graph g = sample();
  ASSERT_TRUE(run_passes(g, {.disabled = {"drop_identities", "compose_movements"}}).ok());
  EXPECT_EQ(g.node_count(), 2u);
}

TEST(RunPasses, AnUnknownNameIsRefusedWithTheNamesThatThereAre) {
  Graph g = sample();
  Status s = run_passes(g, {.disabled = {"fold_everything"}});
  EXPECT_EQ(s.code(), Code::NotFound);
  EXPECT_NE(s.message().find("fold_everything"), std::string::npos);
  EXPECT_NE(s.cure().find("fold_constants"), std::string::npos);
}

TEST(RunPasses, DumpsEachGraphThatChangedInOrder) {
  Graph g = sample();
  std::vector<int> indices;
  std::vector<std::string> names;
  PassOptions options;
  options.dump = [&](int index, std::string_view pass, const std::string& text) {
    indices.push_back(index);
    names.emplace_back(pass);
    EXPECT_NE(text.find("graph g("), std::string::npos);
  };
  ASSERT_TRUE(run_passes(g, options).ok());
  ASSERT_FALSE(indices.empty());
  for (size_t k = 0; k < indices.size(); ++k) EXPECT_EQ(indices[k], static_cast<int>(k) + 1);
  EXPECT_NE(std::find(names.begin(), names.end(), "drop_identities"), names.end());
}

TEST(RunPasses, TheTextRoundTripChangesNothing) {
  Graph a = sample(), b = sample();
  ASSERT_TRUE(run_passes(a).ok());
  Status s = run_passes(b, {.text_roundtrip = true});
  ASSERT_TRUE(s.ok()) << s.message();
  EXPECT_EQ(to_string(a), to_string(b));
}

TEST(RunPasses, CancelsWhenTold) {
  Graph g = sample();
  PassOptions options;
  options.proceed = [](std::string_view pass) {
    return pass != "drop_identities" ? Status() : Status(Code::Cancelled, "cancelled");
  };
  EXPECT_EQ(run_passes(g, options).code(), Code::Cancelled);
}

TEST(Pipeline, EveryPassSaysWhatItDoes) {
  for (const Pass* pass : pipeline()) {
    EXPECT_FALSE(pass->doc.empty()) << pass->name;
    EXPECT_EQ(find_pass(pass->name), pass) << "two passes of one name";
  }
}

TEST(RunPasses, PassesRunInRegionsAndKeepWhatThoseRead) {
  Result<Graph> g = parse_graph(R"IR(graph g(%c: bool[], %x: f32[2,3]) {
    %a = Pointwise{expr="(a:f32) -> neg(a)"}(%x)
    %same = Reshape{shape=dims[2, 3]}(%a)
    %unread = Pointwise{expr="(a:f32) -> exp(a)"}(%x)
    %y = If(%c, %same, %unread) "n" {
      graph yes(%v: f32[2,3], %u: f32[2,3]) {
        %two = Constant{value=f32[] {2}}()
        %three = Constant{value=f32[] {3}}()
        %six = Pointwise{expr="(a:f32, b:f32) -> mul(a, b)"}(%two, %three)
        %w = Pointwise{expr="(a:f32, b:f32) -> mul(a, b)"}(%v, %six)
        %2 = Pointwise{expr="(a:f32) -> abs(a)"}(%u)
        return y=%w
      }
      graph no(%v: f32[2,3], %u: f32[2,3]) { %1 = Reshape{shape=dims[2, 3]}(%v) return y=%1 }
    }
    %gone = If(%c, %x) {
      graph yes(%v: f32[2,3]) { return y=%v }
      graph no(%v: f32[2,3]) { return y=%v }
    }
    return y=%y
  })IR");
  ASSERT_TRUE(g.ok()) << g.status().message();
  ASSERT_TRUE(run_passes(*g, {.text_roundtrip = true}).ok());
  Result<Graph> want = parse_graph(R"IR(graph g(%c: bool[], %x: f32[2,3]) {
    %a = Pointwise{expr="(a:f32) -> neg(a)"}(%x)
    %y = If(%c, %a) "n" {
      graph yes(%v: f32[2,3]) {
        %w = Pointwise{expr="(a:f32) -> mul(a, 6)"}(%v)
        return y=%w
      }
      graph no(%v: f32[2,3]) { return y=%v }
    }
    return y=%y
  })IR");
  ASSERT_TRUE(want.ok()) << want.status().message();
  EXPECT_EQ(to_string(*g), to_string(*want));
}

}  // namespace
}  // namespace lathe
