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

struct RegionsTest : testing::Test {
  Graph g;
  void parse(const char* text) {
    Result<Graph> parsed = parse_graph(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    g = *std::move(parsed);
    Status s = verify(g);
    ASSERT_TRUE(s.ok()) << s.message();
  }
  std::vector<HostTensor> run(std::vector<HostTensor> in) {
    auto out = interpret(g, in);
    EXPECT_TRUE(out.ok()) << out.status().message();
    return out.ok() ? *out : std::vector<HostTensor>(g.outputs.size());
  }
  std::string error(std::vector<HostTensor> in) {
    auto out = interpret(g, in);
    return out.ok() ? "it ran" : out.status().message();
  }
};

TEST_F(RegionsTest, AnIfRunsTheBranchThatItsConditionChooses) {
  parse(R"IR(graph g(%c: bool[1], %x: f32[N]) {
    %y = If{symbols="P"}(%c, %x) {
      graph yes(%x: f32[N]) { %1 = Concat{axis=0}(%x, %x) return y=%1 }
      graph no(%x: f32[N]) { return y=%x }
    }
    %z = Pointwise{expr="(a:f32) -> add(a, 1)"}(%y)
    return z=%z
  })IR");
  const HostTensor x = HostTensor::of<float>({2}, {3, 5});
  EXPECT_EQ(g.outputs[0].value->type.to_string(), "f32[P.0.0]");
  EXPECT_EQ(run({HostTensor::of<bool>({1}, {true}), x})[0].to_f64(),
            (std::vector<double>{4, 6, 4, 6}));
  EXPECT_EQ(run({HostTensor::of<bool>({1}, {false}), x})[0].to_f64(), (std::vector<double>{4, 6}));
}

// Sums 0 + 1 + ... while the sum is below `limit`, and keeps each.
constexpr const char* kSums = R"IR(graph g(%m: i64[], %limit: i64[], %zero: i64[]) {
  %last, %all = Loop{carried=1, symbols="P"}(%m, _, %zero, %limit) "sum" {
    graph body(%i: i64[], %go: bool[], %sum: i64[], %limit: i64[]) {
      %s = Pointwise{expr="(a:i64, b:i64) -> add(a, b)"}(%i, %sum)
      %more = Pointwise{expr="(a:i64, b:i64) -> lt(a, b)"}(%s, %limit)
      return go=%more, sum=%s, each=%s
    }
  }
  return last=%last, all=%all
})IR";

TEST_F(RegionsTest, ALoopEndsAtItsCountOrByItsCondition) {
  parse(kSums);
  const auto sums = [&](int64_t trips, int64_t limit) {
    return run(
        {HostTensor::scalar(trips), HostTensor::scalar(limit), HostTensor::scalar<int64_t>(0)});
  };
  std::vector<HostTensor> out = sums(4, 100);
  EXPECT_EQ(out[0].to_i64(), (std::vector<int64_t>{6}));
  EXPECT_EQ(out[1].to_i64(), (std::vector<int64_t>{0, 1, 3, 6}));
  EXPECT_EQ(out[1].shape().to_string(), "[4]");
  EXPECT_EQ(sums(100, 5)[1].to_i64(), (std::vector<int64_t>{0, 1, 3, 6}));
  out = sums(0, 5);
  EXPECT_EQ(out[0].to_i64(), (std::vector<int64_t>{0}));
  EXPECT_EQ(out[1].shape().to_string(), "[0]");
}

TEST_F(RegionsTest, AValueMayGrowWhileItGoesRound) {
  parse(R"IR(graph g(%m: i64[], %x: f32[N]) {
    %y, %n = Loop{carried=1, symbols="P"}(%m, _, %x) {
      graph body(%i: i64[], %go: bool[], %v: f32[P.in.2.0]) {
        %w = Concat{axis=0}(%v, %v)
        %size = Dims{values=dims[P.in.2.0, P.trip], shape=[2], dtype=i64}()
        return go=%go, v=%w, size=%size
      }
    }
    return y=%y, n=%n
  })IR");
  auto out = run({HostTensor::scalar<int64_t>(3), HostTensor::of<float>({1}, {2})});
  EXPECT_EQ(out[0].to_f64(), std::vector<double>(8, 2.0));
  EXPECT_EQ(out[1].to_i64(), (std::vector<int64_t>{1, 0, 2, 1, 4, 2}));
}

TEST_F(RegionsTest, ALoopThatNothingEndsIsRefused) {
  parse(R"IR(graph g(%x: f32[]) {
    %y = Loop{carried=1}(_, _, %x) "forever" {
      graph body(%i: i64[], %go: bool[], %v: f32[]) { return go=%go, v=%v }
    }
    return y=%y
  })IR");
  EXPECT_EQ(error({HostTensor::scalar<float>(1)}),
            "node 'forever' (Loop): it runs more than 262144 times");
}

TEST_F(RegionsTest, ACountThatIsStatedMustBeTheOneThatRan) {
  parse(R"IR(graph g(%m: i64[]) {
    %y = Loop{carried=0, trips=dims[2]}(%m, _) "count" {
      graph body(%i: i64[], %go: bool[]) { return go=%go, i=%i }
    }
    return y=%y
  })IR");
  EXPECT_EQ(run({HostTensor::scalar<int64_t>(2)})[0].to_i64(), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(error({HostTensor::scalar<int64_t>(3)}),
            "node 'count' (Loop): result 0 is [3], expected [2]");
}

TEST_F(RegionsTest, AScanGoesEitherWayAlongAnyAxis) {
  parse(R"IR(graph g(%s: f32[2], %x: f32[2,T], %z: f32[T], %w: f32[]) {
    %last, %all = Scan{carried=1, scanned=2, axes=[1, 0], reverse=[1, 0], out_axes=[1],
                       out_reverse=[1]}(%s, %x, %z, %w) {
      graph body(%s: f32[2], %x: f32[2], %z: f32[], %w: f32[]) {
        %a = Pointwise{expr="(a:f32, b:f32) -> add(a, b)"}(%s, %x)
        %b = Pointwise{expr="(a:f32, b:f32, c:f32) -> mul(add(a, b), c)"}(%x, %z, %w)
        return s=%a, y=%b
      }
    }
    return last=%last, all=%all
  })IR");
  EXPECT_EQ(g.outputs[1].value->type.to_string(), "f32[2,T]");
  auto out =
      run({HostTensor::of<float>({2}, {0, 100}), HostTensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6}),
           HostTensor::of<float>({3}, {10, 20, 30}), HostTensor::scalar<float>(2)});
  EXPECT_EQ(out[0].to_f64(), (std::vector<double>{6, 115}));
  // x from its end with z from its beginning, and what they give from its end again.
  EXPECT_EQ(out[1].to_f64(), (std::vector<double>{62, 44, 26, 68, 50, 32}));
}

TEST_F(RegionsTest, ConstraintsOfARegionHoldWhereItRuns) {
  parse(R"IR(graph g(%c: bool[], %x: f32[N]) {
    %y = If(%c, %x) "n" {
      graph yes(%x: f32[N]) { require equal(N, 7) "must be seven" return y=%x }
      graph no(%x: f32[N]) { return y=%x }
    }
    return y=%y
  })IR");
  const HostTensor x = HostTensor::of<float>({2}, {3, 5});
  run({HostTensor::scalar<bool>(false), x});
  EXPECT_EQ(error({HostTensor::scalar<bool>(true), x}),
            "node 'n' (If): then_branch: must be seven: N = 2 and 7 must be equal");
}

}  // namespace
}  // namespace lathe
