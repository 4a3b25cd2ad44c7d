// SPDX-License-Identifier: Apache-2.0
// The tuner on a device whose tactics are wrong, fast, slow, greedy or careless on purpose.
#include "tuner/tuner.h"

#include <gtest/gtest.h>

#include <set>

#include "device/test_device.h"

namespace lathe {
namespace {

using Made = Result<std::unique_ptr<Prepared>>;
using Spoil = void (*)(const OpInstance&, const Buffers&);

Support always(const OpInstance&, const DeviceInfo&) { return Support::yes(); }

// A tactic that takes `microseconds` of the test's clock and then spoils what it computed.
template <int microseconds, Spoil spoil = nullptr>
Made load(const LoadContext& c) {
  auto p = std::make_unique<TestPrepared>(c.op, microseconds * 1e-6);
  p->spoil = spoil;
  return std::unique_ptr<Prepared>(std::move(p));
}

Tactic tactic(std::string_view name, Made (*load)(const LoadContext&)) {
  Tactic t;
  t.name = name;
  t.op = "Pointwise";
  t.supports = always;
  t.load = load;
  return t;
}

void off_by_a_little(const OpInstance&, const Buffers& at) {
  static_cast<float*>(at.out[0])[3] *= 1.001f;
}
void past_the_end(const OpInstance& op, const Buffers& at) {
  static_cast<float*>(at.out[0])[op.out[0].shape.elements()] = 1;
}
void before_the_start(const OpInstance&, const Buffers& at) {
  static_cast<float*>(at.out[0])[-1] = 1;
}
void into_an_operand(const OpInstance&, const Buffers& at) {
  static_cast<float*>(at.in[0])[0] += 1;
}
void one_too_few(const OpInstance& op, const Buffers& at) {
  const auto last = static_cast<size_t>(op.out[0].shape.elements() - 1);
  std::memset(static_cast<float*>(at.out[0]) + last, 0xFF, 4);
}
void past_the_workspace(const OpInstance&, const Buffers& at) {
  static_cast<char*>(at.workspace)[100] = 1;
}

// Reads its operand again after it wrote the first result.
void reads_again(const OpInstance& op, const Buffers& at) {
  auto* y = static_cast<float*>(at.out[0]);
  const auto* x = static_cast<const float*>(at.in[0]);
  for (int64_t k = 0; k < op.out[0].shape.elements(); ++k) y[k] = 2 * x[k];
}
void second(const OpInstance&, const Buffers& at) { static_cast<float*>(at.out[1])[7] += 0.5f; }
void one_more(const OpInstance&, const Buffers& at) { static_cast<int32_t*>(at.out[0])[0] += 1; }
void flip(const OpInstance&, const Buffers& at) { static_cast<uint8_t*>(at.out[0])[0] ^= 1; }
int disturbed_runs = 0;
void disturbed_at_first(const OpInstance&, const Buffers&) {
  if (++disturbed_runs < 8) TestDevice::clock() += 1e-4 * disturbed_runs;
}
void disturbed_for_ever(const OpInstance&, const Buffers&) {
  TestDevice::clock() += 1e-3 * ++disturbed_runs;
}
const void* written = nullptr;
bool passed = false;
void watch(const OpInstance&, const Buffers& at) {
  passed = at.in[0] == written;
  written = at.out[0];
}

OpInstance instance(std::string_view expr, std::vector<TensorType> in) {
  Result<Inferred> op =
      infer(*find_op("Pointwise"), std::move(in), Attrs().set("expr", *Expr::parse(expr)));
  LATHE_CHECK(op.ok());
  return op->op;
}
OpInstance doubling(int64_t n = 32) {
  return instance("(a:f32) -> mul(a, 2)", {{DType::F32, Shape{n}}});
}

// The choice among these tactics, the reference last.
struct Trying {
  explicit Trying(std::vector<const Tactic*> tactics, TunerOptions options = {})
      : device([&] {
          tactics.push_back(&test_reference());
          return tactics;
        }()),
        tuner(device, device, nullptr, cache, options) {}
  Choice choose(const OpInstance& op = doubling()) {
    Result<Choice> c = tuner.choose(op, {});
    EXPECT_TRUE(c.ok()) << c.status().message();
    return c.ok() ? *c : Choice{};
  }
  TestDevice device;
  TimingCache cache;
  Tuner tuner;
};

const Tactic kSlow = tactic("slow", load<50>), kFast = tactic("fast", load<5>);

TEST(Tuner, TheFastestOfThoseThatAreRightWins) {
  Trying t({&kSlow, &kFast});
  const Choice c = t.choose();
  EXPECT_EQ(c.tactic->name, "fast");
  EXPECT_NEAR(c.seconds, 5e-6, 1e-9);
  EXPECT_TRUE(c.measured);
  EXPECT_TRUE(c.certificate.checked);
  EXPECT_EQ(c.certificate.elements, 32);
  EXPECT_EQ(c.why, "slow took 50.0 us; ");
}

TEST(Tuner, SlowestOnRequest) {
  Trying t({&kSlow, &kFast}, {.slowest = true});
  EXPECT_EQ(t.choose().tactic->name, "slow");
}

// Other programs took the processor in its first runs; it is the faster one nevertheless.
TEST(Tuner, AnInterruptedCandidateIsGivenMoreRuns) {
  disturbed_runs = 0;
  const Tactic interrupted = tactic("interrupted", load<5, disturbed_at_first>);
  Trying t({&kSlow, &interrupted});
  const Choice c = t.choose();
  EXPECT_EQ(c.tactic->name, "interrupted");
  EXPECT_NEAR(c.seconds, 5e-6, 1e-9);
  EXPECT_EQ(t.tuner.noise().races, 1);
  EXPECT_EQ(t.tuner.noise().unsettled, 0);
}

TEST(Tuner, AWinnerThatIsNeverMeasuredAlikeTwiceIsCounted) {
  disturbed_runs = 0;
  const Tactic erratic = tactic("erratic", load<5, disturbed_for_ever>);
  Trying t({&erratic});
  EXPECT_EQ(t.choose().tactic->name, "erratic");
  EXPECT_EQ(t.tuner.noise().unsettled, 1);
}

struct Liar {
  const char* name;
  Made (*load)(const LoadContext&);
  const char* why;
};
class TunerRejects : public testing::TestWithParam<Liar> {};

TEST_P(TunerRejects, ByNameInTheCertificate) {
  const Tactic liar = tactic(GetParam().name, GetParam().load);
  for (const bool tune : {true, false}) {
    Trying t({&liar, &kSlow}, {.tune = tune});
    const Choice c = t.choose();
    EXPECT_EQ(c.tactic->name, "slow");
    ASSERT_EQ(c.certificate.rejected.size(), 1u);
    EXPECT_NE(c.certificate.rejected[0].find(GetParam().name), std::string::npos);
    EXPECT_NE(c.certificate.rejected[0].find(GetParam().why), std::string::npos)
        << c.certificate.rejected[0];
  }
}

Made fails_to_load(const LoadContext&) { return unsupported("the driver is too old"); }
Made wants_too_much(const LoadContext& c) {
  auto p = std::make_unique<TestPrepared>(c.op, 1e-6);
  p->workspace_bytes = size_t{1} << 40;
  return std::unique_ptr<Prepared>(std::move(p));
}
Made careless_workspace(const LoadContext& c) {
  auto p = std::make_unique<TestPrepared>(c.op, 1e-6);
  p->workspace_bytes = 100;
  p->spoil = past_the_workspace;
  return std::unique_ptr<Prepared>(std::move(p));
}

INSTANTIATE_TEST_SUITE_P(
    Liars, TunerRejects,
    testing::Values(Liar{"wrong", load<1, off_by_a_little>, "element 3 of result 0 is"},
                    Liar{"overrun", load<1, past_the_end>, "it wrote past its tensor"},
                    Liar{"underrun", load<1, before_the_start>, "it wrote before its tensor"},
                    Liar{"incomplete", load<1, one_too_few>, "nan, the reference says"},
                    Liar{"meddler", load<1, into_an_operand>, "it wrote to its operands"},
                    Liar{"unloadable", fails_to_load, "did not load: the driver is too old"},
                    Liar{"greedy", wants_too_much, "did not load"},
                    Liar{"careless", careless_workspace, "it wrote past its workspace"}),
    [](const auto& info) { return std::string(info.param.name); });

// It was never going to run: --verify=full names it all the same.
TEST(Tuner, WhoLosesIsCheckedOnRequest) {
  const Tactic wrong = tactic("wrong", load<60, off_by_a_little>);
  const Choice c = Trying({&wrong, &kSlow}).choose();
  EXPECT_EQ(c.tactic->name, "slow");
  EXPECT_TRUE(c.certificate.rejected.empty());
  EXPECT_EQ(c.why, "wrong took 60.0 us; ");
  const Choice full = Trying({&wrong, &kSlow}, {.verify = Verify::Full}).choose();
  EXPECT_EQ(full.tactic->name, "slow");
  EXPECT_EQ(full.certificate.rejected.size(), 1u);
}

TEST(Tuner, AWrongOneIsNoReasonToGiveUpTheOthersEarly) {
  const Tactic wrong = tactic("wrong", load<1, off_by_a_little>);
  disturbed_runs = 0;
  const Tactic interrupted = tactic("interrupted", load<5, disturbed_at_first>);
  const Choice c = Trying({&wrong, &kSlow, &interrupted}).choose();
  EXPECT_EQ(c.tactic->name, "interrupted");
  EXPECT_NEAR(c.seconds, 5e-6, 1e-9);
  EXPECT_EQ(c.certificate.rejected.size(), 1u);
}

TEST(Tuner, OperandsThatARivalSpoiledAreRestored) {
  const Tactic meddler = tactic("meddler", load<60, into_an_operand>);
  const Choice c = Trying({&meddler, &kSlow}).choose();
  EXPECT_EQ(c.tactic->name, "slow");
  EXPECT_TRUE(c.certificate.rejected.empty());
}

TEST(Tuner, WhoFailsToRunIsOutAndRemembered) {
  struct Failing : Prepared {
    Status launch(const Buffers&, Stream&) const override { return internal("no luck"); }
  };
  const Tactic failing = tactic("failing", [](const LoadContext&) -> Made {
    return std::unique_ptr<Prepared>(std::make_unique<Failing>());
  });
  Trying t({&failing, &kSlow});
  const Choice c = t.choose();
  EXPECT_EQ(c.tactic->name, "slow");
  EXPECT_EQ(c.certificate.rejected, std::vector<std::string>{"failing: no luck"});
  const int timings = t.device.timings;
  Tuner again(t.device, t.device, nullptr, t.cache, {});
  EXPECT_EQ(again.choose(doubling(), {})->certificate, c.certificate);
  EXPECT_EQ(t.device.timings, timings);
}

// What somebody only timed is checked by the first who asks for it.
TEST(Tuner, WhatTheCacheOnlyTimedIsCheckedBeforeItWins) {
  const Tactic wrong = tactic("wrong", load<1, off_by_a_little>);
  Trying hasty({&wrong, &kSlow, &kFast}, {.verify = Verify::Off});
  EXPECT_EQ(hasty.choose().tactic->name, "wrong");
  const int timings = hasty.device.timings;
  for (int build = 0; build < 2; ++build) {
    Tuner careful(hasty.device, hasty.device, nullptr, hasty.cache, {});
    const Choice c = *careful.choose(doubling(), {});
    EXPECT_EQ(c.tactic->name, "fast");
    EXPECT_TRUE(c.certificate.checked);
    EXPECT_EQ(c.certificate.rejected.size(), 1u);
  }
  EXPECT_EQ(hasty.device.timings, timings);
}

TEST(Tuner, WorkspaceOverTheLimitIsDeclined) {
  const Tactic greedy = tactic("greedy", [](const LoadContext& c) -> Made {
    auto p = std::make_unique<TestPrepared>(c.op, 1e-6);
    p->workspace_bytes = 1000;
    return std::unique_ptr<Prepared>(std::move(p));
  });
  EXPECT_EQ(Trying({&greedy, &kSlow}).choose().tactic->name, "greedy");
  Trying limited({&greedy, &kSlow}, {.workspace_limit = 999});
  const Choice c = limited.choose();
  EXPECT_EQ(c.tactic->name, "slow");
  EXPECT_EQ(c.certificate.rejected,
            (std::vector<std::string>{"greedy: did not load: it needs 1000 bytes of workspace, 999 "
                                      "are allowed"}));
}

TEST(Tuner, TheReferenceIsLeftWhenAllElseIsWrong) {
  const Tactic wrong = tactic("wrong", load<1, off_by_a_little>);
  Trying t({&wrong});
  const Choice c = t.choose();
  EXPECT_EQ(c.tactic->name, "reference");
  EXPECT_TRUE(c.measured);
  EXPECT_EQ(c.certificate.rejected.size(), 1u);
}

TEST(Tuner, ASlowReferenceIsNotTimed) {
  Tactic reference = test_reference();
  reference.expect = [](const OpInstance&, const Config&, const DeviceInfo&) { return 60.0; };
  TestDevice device({&reference});
  TimingCache cache;
  Tuner tuner(device, device, nullptr, cache, {});
  const Choice c = *tuner.choose(doubling(), {});
  EXPECT_EQ(device.timings, 0);
  EXPECT_EQ(c.seconds, 60);
  EXPECT_FALSE(c.measured);
}

TEST(Tuner, AFullCacheLeavesNothingToDo) {
  const Tactic wrong = tactic("wrong", load<1, off_by_a_little>);
  Trying first({&wrong, &kSlow, &kFast});
  const Choice cold = first.choose();
  Tuner again(first.device, first.device, nullptr, first.cache, {});
  const int timings = first.device.timings, allocations = first.device.allocations;
  const Choice warm = *again.choose(doubling(), {});
  EXPECT_EQ(first.device.timings, timings);
  EXPECT_EQ(first.device.allocations, allocations);
  EXPECT_EQ(warm.tactic, cold.tactic);
  EXPECT_EQ(warm.seconds, cold.seconds);
  EXPECT_EQ(warm.why, cold.why);
  EXPECT_EQ(warm.certificate, cold.certificate);
}

TEST(Tuner, ANewVersionOfATacticIsMeasuredAnew) {
  Tactic changing = tactic("changing", load<5>);
  Trying t({&changing});
  (void)t.choose();
  changing.version = 2;
  changing.load = load<7>;
  Tuner again(t.device, t.device, nullptr, t.cache, {});
  EXPECT_NEAR(again.choose(doubling(), {})->seconds, 7e-6, 1e-9);
}

TEST(Tuner, ConfigsAreCandidatesOfTheirOwn) {
  Tactic t = tactic("blocked", [](const LoadContext& c) -> Made {
    return std::unique_ptr<Prepared>(
        std::make_unique<TestPrepared>(c.op, c.config == "block=2" ? 2e-6 : 9e-6));
  });
  t.configs = [](const OpInstance&, const DeviceInfo&) {
    return std::vector<Config>{"block=1", "block=2", "block=4"};
  };
  Trying trying({&t});
  EXPECT_EQ(trying.choose().config, "block=2");
}

TEST(Tuner, WithoutTuningTheManifestsOrderDecidesAmongThoseThatAreRight) {
  Trying t({&kSlow, &kFast}, {.tune = false});
  const Choice c = t.choose();
  EXPECT_EQ(c.tactic->name, "slow");
  EXPECT_FALSE(c.measured);
  EXPECT_TRUE(c.certificate.checked);
  EXPECT_EQ(t.device.timings, 0);
}

TEST(Tuner, WithoutVerifyingNothingIsChecked) {
  const Tactic wrong = tactic("wrong", load<1, off_by_a_little>);
  Trying t({&wrong, &kSlow}, {.verify = Verify::Off});
  const Choice c = t.choose();
  EXPECT_EQ(c.tactic->name, "wrong");
  EXPECT_FALSE(c.certificate.checked);
}

TEST(Tuner, RandomTacticsAreRightTacticsAndDependOnTheSeed) {
  const Tactic wrong = tactic("wrong", load<1, off_by_a_little>);
  std::set<std::string_view> seen;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Trying t({&wrong, &kSlow, &kFast}, {.random_tactic_seed = seed});
    const std::string_view name = t.choose().tactic->name;
    EXPECT_NE(name, "wrong");
    EXPECT_EQ(Trying({&wrong, &kSlow, &kFast}, {.random_tactic_seed = seed}).choose().tactic->name,
              name);
    seen.insert(name);
  }
  EXPECT_EQ(seen, (std::set<std::string_view>{"fast", "slow", "reference"}));
}

TEST(Tuner, ReasonsOfThoseThatDeclineAreKept) {
  Tactic shy = tactic("shy", load<1>);
  shy.supports = [](const OpInstance&, const DeviceInfo&) {
    return Support::no("only on Sundays");
  };
  Trying t({&shy});
  EXPECT_EQ(t.choose().why, "shy: only on Sundays; ");
  EXPECT_EQ(t.tuner.declined(doubling()), "shy: only on Sundays; ");
  EXPECT_FALSE(t.tuner.supported(doubling()));
}

TEST(Tuner, ResultsInPlaceOfOperandsAreTriedOut) {
  Tactic twice = tactic("twice", load<1, reads_again>);
  EXPECT_EQ(Trying({&twice, &kSlow}).choose().tactic->name, "twice");
  twice.may_alias = [](const OpInstance&, int, int) { return true; };
  const Choice c = Trying({&twice, &kSlow}).choose();
  EXPECT_EQ(c.tactic->name, "slow");
  ASSERT_EQ(c.certificate.rejected.size(), 1u);
  EXPECT_NE(c.certificate.rejected[0].find("result 0 in place of operand 0"), std::string::npos);
}

TEST(Tuner, SlicesOfLargerTensorsAreWatchedAllAround) {
  Tactic strided = tactic("strided", [](const LoadContext& c) -> Made {
    struct Strided : Prepared {
      OpInstance op;
      explicit Strided(OpInstance o) : op(std::move(o)) {}
      Status launch(const Buffers& at, Stream&) const override {
        const auto* x = static_cast<const float*>(at.in[0]);
        auto* y = static_cast<float*>(at.out[0]);
        for (int64_t r = 0; r < 4; ++r) {
          for (int64_t k = 0; k < 3; ++k) y[r * 10 + k] = 2 * x[r * 3 + k];
        }
        return {};
      }
    };
    return std::unique_ptr<Prepared>(std::make_unique<Strided>(c.op));
  });
  OpInstance op = instance("(a:f32) -> mul(a, 2)", {{DType::F32, {4, 3}}});
  op.fusion.out_slice = {Slice{1, 5, 10}};
  EXPECT_TRUE(Trying({&strided}).tuner.choose(op, {})->certificate.rejected.empty());
  op.fusion.out_slice = {Slice{1, 0, 11}};  // now it writes elsewhere
  const Choice c = *Trying({&strided}).tuner.choose(op, {});
  ASSERT_EQ(c.certificate.rejected.size(), 1u);
  EXPECT_NE(c.certificate.rejected[0].find("outside its slice"), std::string::npos);
}

TEST(Tuner, EveryResultIsCompared) {
  const Tactic wrong = tactic("wrong", load<1000, second>), right = tactic("right", load<2000>);
  const OpInstance op =
      instance("(a:f32) -> mul(a, 2), exp(a)", {{DType::F32, Shape{int64_t{200000}}}});
  const Choice sampled = Trying({&wrong, &right}).choose(op);
  EXPECT_EQ(sampled.tactic->name, "right");
  EXPECT_LT(sampled.certificate.elements, 100000);  // boxes, not all
  ASSERT_EQ(sampled.certificate.rejected.size(), 1u);
  EXPECT_NE(sampled.certificate.rejected[0].find("result 1"), std::string::npos);
}

TEST(Tuner, ExactIntegersMayNotBeOneBeside) {
  const Tactic off = tactic("off", load<1, one_more>);
  const TensorType i32{DType::I32, {8}};
  EXPECT_EQ(Trying({&off, &kSlow}).choose(instance("(a:i32) -> add(a, 1:i32)", {i32})).tactic->name,
            "slow");
}

TEST(Tuner, TypesWithoutArithmeticAreComparedByteForByte) {
  Tactic copy = tactic("copy", load<1>);
  copy.op = "Transpose";
  Tactic wrong = tactic("wrong", load<1, flip>);
  wrong.op = "Transpose";
  const OpInstance op =
      infer(*find_op("Transpose"), {{DType::C64, {2, 3}}}, Attrs().set("perm", Ints{1, 0}))->op;
  const Choice c = Trying({&wrong, &copy}).choose(op);
  EXPECT_EQ(c.tactic->name, "copy");
  EXPECT_EQ(c.certificate.rejected.size(), 1u);
}

TEST(Tuner, NoElementsAreNoTrouble) {
  Trying t({&kFast});
  EXPECT_EQ(t.choose(doubling(0)).tactic->name, "fast");
}

Chain chain_of(std::initializer_list<int64_t> sizes) {
  Chain chain;
  int value = 0;
  for (const int64_t n : sizes) {
    chain.links.push_back({doubling(n), {value}, {value + 1}, {}});
    ++value;
  }
  return chain;
}

TEST(TunerChains, AreTimedAsAWhole) {
  Trying t({&kFast});
  std::vector<double> seconds;
  EXPECT_EQ(*t.tuner.fastest(std::vector{chain_of({8, 8, 8})}, &seconds), 0u);
  EXPECT_NEAR(seconds[0], 15e-6, 1e-9);
}

TEST(TunerChains, TheFasterOneIsFoundAndRemembered) {
  Trying t({&kFast});
  const std::vector<Chain> chains = {chain_of({8, 8}), chain_of({8})};
  std::vector<double> seconds;
  EXPECT_EQ(*t.tuner.fastest(chains, &seconds), 1u);
  EXPECT_NEAR(seconds[0], 10e-6, 1e-9);
  EXPECT_NEAR(seconds[1], 5e-6, 1e-9);
  const int timings = t.device.timings;
  EXPECT_EQ(*t.tuner.fastest(chains, &seconds), 1u);
  EXPECT_EQ(t.device.timings, timings);
}

// A machine that slows down between two races must not change what the first one answered.
TEST(TunerChains, ARaceThatSharesACandidateLeavesTheAnswerAlone) {
  static double slowness;
  slowness = 1;
  const Tactic moody = tactic("moody", [](const LoadContext& c) -> Made {
    const double us = static_cast<double>(c.op.out[0].shape.elements()) * slowness;
    return std::unique_ptr<Prepared>(std::make_unique<TestPrepared>(c.op, us * 1e-6));
  });
  Trying t({&moody});
  const std::vector<Chain> first = {chain_of({8}), chain_of({9})};
  const std::vector<Chain> second = {chain_of({8}), chain_of({7})};
  std::vector<double> seconds;
  EXPECT_EQ(*t.tuner.fastest(first, &seconds), 0u);
  slowness = 2;
  EXPECT_EQ(*t.tuner.fastest(second, &seconds), 1u);
  Tuner next(t.device, t.device, nullptr, t.cache, {});
  EXPECT_EQ(*next.fastest(first, &seconds), 0u);
  EXPECT_NEAR(seconds[0], 8e-6, 1e-9);
  EXPECT_NEAR(seconds[1], 9e-6, 1e-9);
}

TEST(TunerChains, IntermediatesArePassedOn) {
  const Tactic watching = tactic("watching", load<5, watch>);
  Trying t({&watching});
  std::vector<double> seconds;
  ASSERT_TRUE(t.tuner.fastest(std::vector{chain_of({8, 8})}, &seconds).ok());
  EXPECT_TRUE(passed);
}

TEST(TunerChains, ThatTakeLongAreNotRepeated) {
  const Tactic ages = tactic("ages", load<3000000>);
  Trying t({&ages});
  const double before = TestDevice::clock();
  const std::vector<Chain> chains = {chain_of({8}), chain_of({8, 8})};
  std::vector<double> seconds;
  EXPECT_EQ(*t.tuner.fastest(chains, &seconds), 0u);
  EXPECT_LT(TestDevice::clock() - before, 40);
}

}  // namespace
}  // namespace lathe
