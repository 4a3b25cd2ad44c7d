// SPDX-License-Identifier: Apache-2.0
#include "engine/memory_plan.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "engine/plan_builder.h"

namespace lathe {
namespace {

constexpr std::string_view kRelu = "(a:f32) -> max(a, 0)";
constexpr std::string_view kAdd = "(a:f32, b:f32) -> add(a, b)";

TensorType f32(std::initializer_list<Dim> shape) { return {DType::F32, Shape(shape)}; }

int64_t place(const MemoryPlan& m, TensorId t) {
  return m.place[static_cast<size_t>(m.root[static_cast<size_t>(t)])];
}

TEST(MemoryPlan, ActivationsThatAreNeverAliveTogetherShareTheirPlace) {
  PlanBuilder b;
  TensorId t = b.input("x", f32({1024}));
  std::vector<TensorId> chain;
  for (int k = 0; k < 6; ++k) chain.push_back(t = b.pointwise(kRelu, {t}));
  b.output("y", t);
  const MemoryPlan m = *plan_memory(b.plan, {});
  EXPECT_EQ(m.device_arena, 2 * 4096);  // one is read while the next is written
  EXPECT_EQ(m.lower_bound, 2 * 4096);
  EXPECT_EQ(place(m, chain[0]), place(m, chain[2]));
  EXPECT_NE(place(m, chain[0]), place(m, chain[1]));
  EXPECT_EQ(place(m, chain.back()), MemoryPlan::kNone);  // the caller's
}

TEST(MemoryPlan, AResultTakesThePlaceOfAnOperandThatDiesWhereTheStepAllowsIt) {
  PlanBuilder b;
  TensorId t = b.input("x", f32({1024}));
  for (int k = 0; k < 5; ++k) {
    t = b.pointwise(kRelu, {t});
    b.plan.steps.back().in_place = {{0, 0}};
  }
  b.output("y", t);
  EXPECT_EQ(plan_memory(b.plan, {})->device_arena, 4096);
  const InPlacePairs none(b.plan.steps.size());
  EXPECT_EQ(plan_memory(b.plan, {}, &none)->device_arena, 2 * 4096);
}

TEST(MemoryPlan, AnOperandThatIsReadLaterKeepsItsPlace) {
  PlanBuilder b;
  const TensorId x = b.input("x", f32({1024}));
  const TensorId a = b.pointwise(kRelu, {x});
  const TensorId c = b.pointwise(kRelu, {a});
  b.plan.steps.back().in_place = {{0, 0}};
  b.output("y", b.pointwise(kAdd, {a, c}));
  const MemoryPlan m = *plan_memory(b.plan, {});
  EXPECT_NE(place(m, a), place(m, c));
}

TEST(MemoryPlan, AnOperandThatStandsTwiceIsOverwrittenOnlyWhereBothMayBe) {
  PlanBuilder b;
  const TensorId x = b.input("x", f32({1024}));
  const TensorId a = b.pointwise(kRelu, {x});
  const TensorId c = b.step("Pointwise", {a, a}, Attrs().set("expr", *Expr::parse(kAdd))).out[0];
  b.plan.steps.back().in_place = {{0, 1}};
  b.output("y", b.pointwise(kRelu, {c}));
  EXPECT_NE(place(*plan_memory(b.plan, {}), a), place(*plan_memory(b.plan, {}), c));
  b.plan.steps[1].in_place = {{0, 0}, {0, 1}};
  EXPECT_EQ(place(*plan_memory(b.plan, {}), a), place(*plan_memory(b.plan, {}), c));
}

TEST(MemoryPlan, TwoResultsNeverTakeThePlaceOfOneOperand) {
  PlanBuilder b;
  const TensorId x = b.input("x", f32({1024}));
  const TensorId a = b.pointwise(kRelu, {x});
  const Step& two =
      b.step("Pointwise", {a}, Attrs().set("expr", *Expr::parse("(a:f32) -> neg(a), exp(a)")));
  const TensorId first = two.out[0], second = two.out[1];
  b.plan.steps.back().in_place = {{0, 0}, {1, 0}};  // nobody reads the first
  b.output("y", b.pointwise(kRelu, {second}));
  const MemoryPlan m = *plan_memory(b.plan, {});
  EXPECT_NE(place(m, first), place(m, second));
}

TEST(MemoryPlan, ViewsKeepTheirStorageAlive) {
  PlanBuilder b;
  const TensorId x = b.input("x", f32({32, 32}));
  const TensorId a = b.pointwise(kRelu, {x});
  const TensorId view = b.tensor("view", f32({1024}));
  b.alias(view, a);
  const TensorId other = b.pointwise(kRelu, {x});
  const TensorId c = b.pointwise(kRelu, {view});
  b.output("y", c);
  b.output("z", b.pointwise(kRelu, {other}));
  const MemoryPlan m = *plan_memory(b.plan, {});
  EXPECT_EQ(m.root[static_cast<size_t>(view)], a);
  EXPECT_NE(place(m, a), place(m, other));
}

TEST(MemoryPlan, PartsLieInTheirWhole) {
  PlanBuilder b;
  const TensorId x = b.input("x", f32({2, 3, 4, Dim::symbol("W")}));
  const TensorId whole = b.tensor("whole", f32({2, 8, 4, Dim::symbol("W")}));
  const TensorId part = b.pointwise(kRelu, {x});
  b.alias(part, whole, 1, 5);
  b.plan.steps.back().op.fusion.out_slice = {Slice{1, 5, 8}};
  const MemoryPlan m = *plan_memory(b.plan, {{"W", 10}});
  EXPECT_EQ(m.offset[static_cast<size_t>(part)], 5 * 4 * 10 * 4);
  EXPECT_EQ(m.root[static_cast<size_t>(part)], whole);
  EXPECT_GE(m.device_arena, 2 * 8 * 4 * 10 * 4);
}

TEST(MemoryPlan, AnOutputThatIsAPartLivesToTheEnd) {
  PlanBuilder b;
  const TensorId x = b.input("x", f32({2, 64}));
  const TensorId whole = b.pointwise(kRelu, {x});
  const TensorId part = b.tensor("part", f32({1, 64}));
  b.alias(part, whole, 0, 1);
  const TensorId later = b.pointwise("(a:f32) -> exp(a)", {x});
  const TensorId last = b.pointwise(kRelu, {later});
  b.output("part", part);
  b.output("y", last);
  const MemoryPlan m = *plan_memory(b.plan, {});
  EXPECT_NE(place(m, whole), MemoryPlan::kNone);
  EXPECT_NE(place(m, whole), place(m, later));
}

TEST(MemoryPlan, SizesThatOverflowAreRefusedByName) {
  PlanBuilder b;
  const TensorId x = b.input("x", f32({Dim::symbol("N"), Dim::symbol("N")}));
  b.output("y", b.pointwise(kRelu, {x}));
  const auto m = plan_memory(b.plan, {{"N", int64_t{1} << 40}});
  ASSERT_FALSE(m.ok());
  EXPECT_NE(m.status().message().find("tensor 'x'"), std::string::npos) << m.status().message();
}

TEST(MemoryPlan, ViolatedConstraintsAreRefused) {
  PlanBuilder b;
  const TensorId x = b.input("x", f32({Dim::symbol("N")}));
  b.output("y", b.pointwise(kRelu, {x}));
  b.plan.constraints.push_back({Constraint::Kind::Equal, Dim::symbol("N"), 4, "node 'add'"});
  EXPECT_TRUE(plan_memory(b.plan, {{"N", 4}}).ok());
  EXPECT_FALSE(plan_memory(b.plan, {{"N", 5}}).ok());
}

// A random network of steps with one to three operands, shared in place here and there.
Plan random_plan(uint64_t seed, int64_t least = 5, int64_t most = 60) {
  Random random(seed);
  PlanBuilder b;
  std::vector<TensorId> values = {b.input("x", f32({64}))};
  const auto steps = static_cast<int>(random.integer(least, most));
  for (int k = 0; k < steps; ++k) {
    const int64_t size = random.integer(0, 3) == 0 ? 64 : random.integer(1, 5000);
    auto pick = [&] {
      const auto n = static_cast<int64_t>(values.size());
      return values[static_cast<size_t>(random.integer(std::max<int64_t>(0, n - 8), n - 1))];
    };
    Step s;
    s.name = fmt::format("s{}", k);
    for (int64_t n = random.integer(1, 3); n > 0; --n) s.in.push_back(pick());
    for (int64_t n = random.integer(1, 2); n > 0; --n)
      s.out.push_back(b.tensor(fmt::format("t{}_{}", k, n), f32({size})));
    for (size_t o = 0; o < s.out.size(); ++o) {
      for (size_t i = 0; i < s.in.size(); ++i) {
        if (random.integer(0, 1) == 0)
          s.in_place.emplace_back(static_cast<int8_t>(o), static_cast<int8_t>(i));
      }
    }
    values.insert(values.end(), s.out.begin(), s.out.end());
    b.plan.steps.push_back(std::move(s));
    if (random.integer(0, 9) == 0) {
      const TensorId view = b.tensor("view", f32({size, 1}));
      b.alias(view, values.back());
      values.push_back(view);
    }
  }
  b.output("y", values.back());
  return std::move(b.plan);
}

// Runs the plan on bytes that remember who wrote them.
void expect_sound(const Plan& plan) {
  const MemoryPlan m = *plan_memory(plan, {});
  std::vector<int> writer(static_cast<size_t>(m.device_arena) / 4, -1);
  std::vector<int> version(plan.tensors.size(), -1);
  auto cells = [&](TensorId t) {
    const auto r = static_cast<size_t>(m.root[static_cast<size_t>(t)]);
    const auto begin = static_cast<size_t>(m.place[r]) / 4;
    EXPECT_LE(m.place[r] + m.bytes[r], m.device_arena);
    return std::span(writer).subspan(begin, static_cast<size_t>(m.bytes[r]) / 4);
  };
  auto in_arena = [&](TensorId t) {
    return m.place[static_cast<size_t>(m.root[static_cast<size_t>(t)])] != MemoryPlan::kNone;
  };
  int stamp = 0;
  for (const Step& s : plan.steps) {
    for (TensorId t : s.in) {
      if (!in_arena(t)) continue;
      const int want = version[static_cast<size_t>(m.root[static_cast<size_t>(t)])];
      for (int cell : cells(t)) ASSERT_EQ(cell, want) << "operand of " << s.name << " overwritten";
    }
    for (TensorId t : s.out) {
      if (!in_arena(t)) continue;
      const auto c = cells(t);
      std::fill(c.begin(), c.end(), ++stamp);
      version[static_cast<size_t>(t)] = stamp;
    }
    for (TensorId t : s.out) {
      if (!in_arena(t)) continue;
      for (int cell : cells(t)) ASSERT_EQ(cell, version[static_cast<size_t>(t)]) << s.name;
    }
  }
}

TEST(MemoryPlan, NothingAliveIsOverwrittenInRandomPlans) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    expect_sound(random_plan(seed));
    if (HasFatalFailure()) return;
  }
}

TEST(MemoryPlan, VeryLongPlansArePlacedInGoodTime) {
  const Plan plan = random_plan(1, 40000, 40000);
  expect_sound(plan);
  const MemoryPlan m = *plan_memory(plan, {});
  EXPECT_LE(m.device_arena, 4 * m.lower_bound);
}

// Residual stages that halve the picture and double the channels, as networks have them.
TEST(MemoryPlan, TheArenaOfAResidualNetworkIsNearItsLowerBound) {
  PlanBuilder b;
  TensorId t = b.input("x", f32({1, 3, 224, 224}));
  int64_t side = 112, channels = 64;
  auto convolved = [&](TensorId from, int64_t c) {
    Step s;
    s.name = fmt::format("conv{}", b.plan.steps.size());
    s.in = {from};
    s.out = {b.tensor(s.name, f32({1, c, side, side}))};
    b.plan.steps.push_back(s);
    return s.out[0];
  };
  t = convolved(t, channels);
  for (int stage = 0; stage < 4; ++stage, side /= 2, channels *= 2) {
    for (int block = 0; block < 3; ++block) {
      const TensorId shortcut = block == 0 ? convolved(t, channels * 4) : t;
      const TensorId inner = convolved(convolved(t, channels), channels);
      Step s;
      s.name = fmt::format("conv+add{}", b.plan.steps.size());
      s.in = {inner, shortcut};
      s.out = {b.tensor(s.name, f32({1, channels * 4, side, side}))};
      b.plan.steps.push_back(s);
      t = s.out[0];
    }
  }
  b.output("y", t);
  const MemoryPlan m = *plan_memory(b.plan, {});
  EXPECT_LE(static_cast<double>(m.device_arena), 1.15 * static_cast<double>(m.lower_bound));
}

class BindSymbols : public testing::Test {
 protected:
  BindSymbols() {
    b.input("image", f32({Dim::symbol("N"), 3, Dim::symbol("H")}));
    b.input("mask", f32({Dim::symbol("N"), Dim::symbol("H") * 2}));
    b.plan.symbols = {{"N", 1, 4, 8}, {"H", 0, 16, INT64_MAX}};
  }
  std::string error(std::vector<Shape> shapes) {
    const Result<Bindings> r = bind_symbols(b.plan, shapes);
    return r.ok() ? "" : r.status().message();
  }
  PlanBuilder b;
};

TEST_F(BindSymbols, TakesTheValuesFromTheShapes) {
  const std::vector<Shape> shapes = {{2, 3, 5}, {2, 10}};
  EXPECT_EQ(*bind_symbols(b.plan, shapes), (Bindings{{"N", 2}, {"H", 5}}));
}

TEST_F(BindSymbols, ErrorsNameInputDimensionValueAndWhatWasExpected) {
  EXPECT_EQ(error({{2, 3}, {2, 10}}),
            "input 'image': shape [2,3] has rank 2, expected rank 3 as in [N,3,H]");
  EXPECT_EQ(error({{2, 4, 5}, {2, 10}}), "input 'image': dimension 1 is 4, expected 3");
  EXPECT_EQ(error({{2, 3, 5}, {3, 10}}), "input 'mask': dimension 0 is 3, expected N = 2");
  EXPECT_EQ(error({{2, 3, 5}, {2, 11}}), "input 'mask': dimension 1 is 11, expected 2*H = 10");
  EXPECT_EQ(error({{9, 3, 5}, {9, 10}}),
            "input 'image': dimension 0 (N) is 9, expected 1 to 8, the range that the engine was "
            "built for");
  EXPECT_EQ(error({{-1, 3, 5}, {-1, 10}}), "input 'image': dimension 0 is -1, expected a size");
}

}  // namespace
}  // namespace lathe
