// SPDX-License-Identifier: Apache-2.0
#include "runtime/session.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "device/test_device.h"
#include "engine/plan_builder.h"

namespace {
std::atomic<int64_t> allocated{0};
}  // namespace

[[gnu::noinline]] void* operator new(size_t bytes) {
  ++allocated;
  if (void* p = std::malloc(bytes)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace lathe {
namespace {

constexpr std::string_view kTwice = "(a:f32) -> mul(a, 2)";
constexpr std::string_view kNext = "(a:f32) -> add(a, 1)";

TensorType f32(std::initializer_list<Dim> shape) { return {DType::F32, Shape(shape)}; }
HostTensor floats(std::initializer_list<float> v) {
  return HostTensor::of<float>({static_cast<int64_t>(v.size())}, v);
}

class Sessions : public testing::Test {
 protected:
  Sessions() : device({&test_reference()}) { x = b.input("x", f32({Dim::symbol("N")})); }

  std::unique_ptr<RuntimeSession> open(SessionOptions options = {}) {
    engine = *LoadedEngine::open(b.plan, {&device, &device});
    return *RuntimeSession::open(engine, options);
  }
  static std::vector<float> values(RuntimeSession& s, int output = 0) {
    const Result<HostTensor> t = s.output(output);
    EXPECT_TRUE(t.ok()) << t.status().message();
    if (!t.ok()) return {};
    return {t->span<float>().begin(), t->span<float>().end()};
  }
  static void run(RuntimeSession& s, std::initializer_list<float> in) {
    ASSERT_TRUE(s.set_input(0, floats(in)).ok());
    const Status ran = s.run();
    ASSERT_TRUE(ran.ok()) << ran.message();
  }
  using Values = std::vector<float>;

  TestDevice device;
  PlanBuilder b;
  TensorId x;
  std::shared_ptr<LoadedEngine> engine;
};

TEST_F(Sessions, RunShapesBackAndForth) {
  b.output("y", b.pointwise(kNext, {b.pointwise(kTwice, {x})}));
  auto s = open({.poison = true});
  for (int round = 0; round < 3; ++round) {
    run(*s, {1, 2, 3});
    EXPECT_EQ(values(*s), (Values{3, 5, 7}));
    run(*s, {4});
    EXPECT_EQ(values(*s), (Values{9}));
    run(*s, {1, 2, 3, 4, 5, 6, 7});
    EXPECT_EQ(values(*s).back(), 15);
  }
}

TEST_F(Sessions, KeepAsManyShapesAsTheyWereTold) {
  static int loads;
  loads = 0;
  static constexpr Tactic counting{
      .name = "counting",
      .op = "*",
      .doc = "",
      .supports = [](const OpInstance&, const DeviceInfo&) { return Support::yes(); },
      .load = [](const LoadContext& c) -> Result<std::unique_ptr<Prepared>> {
        ++loads;
        return std::unique_ptr<Prepared>(std::make_unique<TestPrepared>(c.op));
      },
  };
  TestDevice counted({&counting});
  b.output("y", b.pointwise(kTwice, {x}));
  engine = *LoadedEngine::open(b.plan, {&counted, &counted});
  auto s = *RuntimeSession::open(engine, {.plan_cache = 2});
  auto run_size = [&](int64_t n) {
    ASSERT_TRUE(s->set_input(0, *HostTensor::make({DType::F32, Shape{n}})).ok());
    ASSERT_TRUE(s->run().ok());
  };
  for (int64_t n = 1; n <= 200; ++n) run_size(n);
  EXPECT_EQ(loads, 200);
  run_size(200);
  run_size(199);
  EXPECT_EQ(loads, 200);  // both were kept
  run_size(1);
  EXPECT_EQ(loads, 201);  // neither session nor engine keeps everything for ever
}

TEST_F(Sessions, AllocateNothingAfterTheSecondRun) {
  const TensorId y = b.pointwise(kTwice, {x});
  b.output("y", b.pointwise(kNext, {y}));
  b.output("x again", x);
  static constexpr Tactic quiet{
      .name = "quiet",
      .op = "*",
      .doc = "",
      .supports = [](const OpInstance&, const DeviceInfo&) { return Support::yes(); },
      .load = [](const LoadContext&) -> Result<std::unique_ptr<Prepared>> {
        struct Nothing : Prepared {
          Status launch(const Buffers&, Stream&) const override { return {}; }
        };
        return std::unique_ptr<Prepared>(std::make_unique<Nothing>());
      },
  };
  TestDevice still({&quiet});
  engine = *LoadedEngine::open(b.plan, {&still, &still});
  auto s = *RuntimeSession::open(engine, {.poison = true});
  ASSERT_TRUE(s->set_input(0, *HostTensor::make({DType::F32, Shape{100}})).ok());
  ASSERT_TRUE(s->run().ok());
  ASSERT_TRUE(s->run().ok());
  const int64_t before = allocated;
  for (int k = 0; k < 10; ++k) (void)s->run().ok();
  EXPECT_EQ(allocated, before);
}

TEST_F(Sessions, UseTheCallersMemoryAndNoOther) {
  b.output("y", b.pointwise(kTwice, {x}));
  auto s = open();
  std::vector<float> in = {1, 2, 3}, out(3, 0), elsewhere(3, 0);
  ASSERT_TRUE(s->set_shape(0, Shape{3}).ok());
  ASSERT_TRUE(s->bind_input(0, in.data(), 12, true).ok());
  ASSERT_TRUE(s->bind_output(0, out.data(), 12, true).ok());
  ASSERT_TRUE(s->run().ok());
  EXPECT_EQ(out, (Values{2, 4, 6}));
  EXPECT_EQ(s->output_data(0), out.data());
  in = {5, 6, 7};
  ASSERT_TRUE(s->bind_output(0, elsewhere.data(), 12, true).ok());
  EXPECT_FALSE(s->output(0).ok());  // nothing ran into that memory yet
  ASSERT_TRUE(s->run().ok());
  EXPECT_EQ(elsewhere, (Values{10, 12, 14}));
  EXPECT_EQ(out, (Values{2, 4, 6}));
}

TEST_F(Sessions, RefuseMemoryOfTheCallersThatIsTooSmall) {
  b.output("y", b.pointwise(kTwice, {x}));
  auto s = open();
  std::vector<float> memory(2);
  ASSERT_TRUE(s->set_shape(0, Shape{3}).ok());
  ASSERT_TRUE(s->bind_output(0, memory.data(), 8, true).ok());
  EXPECT_EQ(s->run().message(), "output 'y': 8 bytes are bound, 12 are needed");
  ASSERT_TRUE(s->bind_output(0, nullptr, 0, true).ok());
  ASSERT_TRUE(s->bind_input(0, memory.data(), 8, true).ok());
  EXPECT_EQ(s->run().message(), "input 'x': 8 bytes are bound, 12 are needed");
}

TEST_F(Sessions, GiveOutputsThatAreInputs) {
  b.output("x again", x);
  auto s = open({.poison = true});
  run(*s, {1, 2});
  EXPECT_EQ(values(*s), (Values{1, 2}));
  ASSERT_TRUE(s->set_input(0, floats({7, 8})).ok());
  EXPECT_EQ(values(*s), (Values{1, 2}));  // those of the last run
}

TEST_F(Sessions, GiveOutputsThatAreConstants) {
  b.output("c", b.constant("c", floats({3, 4})));
  auto s = open({.poison = true});
  run(*s, {1});
  EXPECT_EQ(values(*s), (Values{3, 4}));
  run(*s, {1, 2});
  EXPECT_EQ(values(*s), (Values{3, 4}));
}

TEST_F(Sessions, GiveOneTensorAsSeveralOutputs) {
  const TensorId y = b.pointwise(kTwice, {x});
  b.output("a", y);
  b.output("b", y);
  auto s = open({.poison = true});
  std::vector<float> second(2, 0);
  ASSERT_TRUE(s->bind_output(1, second.data(), 8, true).ok());
  run(*s, {1, 2});
  EXPECT_EQ(values(*s, 0), (Values{2, 4}));
  EXPECT_EQ(second, (Values{2, 4}));
}

TEST_F(Sessions, GiveOutputsThatArePartsAndTheirWhole) {
  const TensorId whole = b.tensor("whole", f32({Dim::symbol("N") * 2}));
  TensorId part[2] = {b.pointwise(kTwice, {x}), b.pointwise(kNext, {x})};
  b.alias(part[0], whole, 0, 0);
  b.alias(part[1], whole, 0, Dim::symbol("N"));
  b.output("second", part[1]);  // smaller than its root, and not at its start
  b.output("first", part[0]);
  b.output("whole", whole);
  auto s = open({.poison = true});
  std::vector<float> second(2, 0);
  ASSERT_TRUE(s->bind_output(0, second.data(), 8, true).ok());
  run(*s, {1, 5});
  EXPECT_EQ(second, (Values{2, 6}));
  EXPECT_EQ(values(*s, 1), (Values{2, 10}));
  EXPECT_EQ(values(*s, 2), (Values{2, 10, 2, 6}));
}

TEST_F(Sessions, GiveAnOutputThatIsAPartOfAnActivation) {
  const TensorId y = b.pointwise(kTwice, {x});
  const TensorId part = b.tensor("part", f32({1}));
  b.alias(part, y, 0, 0);
  b.plan.tensors[static_cast<size_t>(x)].type = f32({4});
  b.at(y).type = f32({4});
  b.plan.steps[0].op.in[0] = b.plan.steps[0].op.out[0] = f32({4});
  b.output("part", part);
  b.output("z", b.pointwise(kNext, {b.pointwise(kTwice, {b.pointwise(kTwice, {x})})}));
  auto s = open({.poison = true});
  run(*s, {1, 2, 3, 4});
  EXPECT_EQ(values(*s, 0), (Values{2}));
  EXPECT_EQ(values(*s, 1), (Values{5, 9, 13, 17}));
}

TEST_F(Sessions, RunTensorsOfNoElements) {
  b.output("y", b.pointwise(kTwice, {x}));
  auto s = open({.poison = true});
  run(*s, {});
  EXPECT_EQ(values(*s), Values{});
  EXPECT_EQ(s->output_shape(0)->to_string(), "[0]");
  run(*s, {4});
  EXPECT_EQ(values(*s), (Values{8}));
}

TEST_F(Sessions, AResultKeepsItsSizeWhenOnlyTheShapeIsSet) {
  b.output("y", b.pointwise(kTwice, {x}));
  auto s = open();
  run(*s, {1, 2});
  ASSERT_TRUE(s->set_shape(0, Shape{1000000}).ok());
  EXPECT_EQ(s->output_shape(0)->to_string(), "[1000000]");
  EXPECT_EQ(values(*s), (Values{2, 4}));
}

TEST_F(Sessions, HaveNoResultBeforeTheFirstRun) {
  b.output("y", b.pointwise(kTwice, {x}));
  auto s = open();
  EXPECT_EQ(s->output(0).status().message(), "output 'y' is read before the first run");
  EXPECT_EQ(s->output_data(0), nullptr);
}

TEST_F(Sessions, NameTheInputThatHasNoShape) {
  b.output("y", b.pointwise(kTwice, {x}));
  auto s = open();
  EXPECT_EQ(s->run().message(), "input 'x' has no shape yet: it is [N]");
}

TEST_F(Sessions, RefuseAnotherElementType) {
  b.output("y", b.pointwise(kTwice, {x}));
  auto s = open();
  EXPECT_EQ(s->set_input(0, HostTensor::of<int32_t>({1}, {1})).message(),
            "input 'x': the tensor is i32, expected f32");
}

TEST_F(Sessions, StayUsableAfterSizesThatDoNotFit) {
  b.output("y", b.pointwise(kTwice, {b.pointwise(kTwice, {x})}));
  auto s = open();
  ASSERT_TRUE(s->set_shape(0, Shape{int64_t{1} << 40}).ok());
  EXPECT_FALSE(s->run().ok());
  EXPECT_FALSE(s->output(0).ok());
  run(*s, {1});
  EXPECT_EQ(values(*s), (Values{4}));
}

TEST_F(Sessions, ShareMemoryInPlaceOnlyWhereTheLoadedTacticAllowsIt) {
  // At this size the tactic of the plan declines, and the one that runs instead allows nothing.
  const TensorId a = b.pointwise(kTwice, {x});
  const TensorId c = b.pointwise(kNext, {a});
  b.output("y", b.pointwise(kTwice, {c}));
  b.plan.steps[1].in_place = {{0, 0}};
  auto s = open();
  run(*s, {1});
  const MemoryPlan& m = *s->memory();
  EXPECT_NE(m.place[static_cast<size_t>(a)], m.place[static_cast<size_t>(c)]);
}

TEST_F(Sessions, ATacticOfAnotherOperatorIsNotBelieved) {
  static const Tactic conv{
      .name = "conv",
      .op = "Conv",
      .doc = "",
      .supports =
          [](const OpInstance& op, const DeviceInfo&) {
            LATHE_CHECK(op.def->is("Conv"));
            return Support::yes();
          },
      .load = test_reference().load,
  };
  TestDevice two({&conv, &test_reference()});
  b.output("y", b.pointwise(kTwice, {x}));
  b.plan.steps[0].tactic = "conv";
  engine = *LoadedEngine::open(b.plan, {&two, &two});
  auto s = *RuntimeSession::open(engine, {});
  run(*s, {3});
  EXPECT_EQ(values(*s), (Values{6}));
}

TEST_F(Sessions, TimeEveryStep) {
  b.output("y", b.pointwise(kNext, {b.pointwise(kTwice, {x})}));
  auto s = open();
  ASSERT_TRUE(s->set_input(0, floats({1})).ok());
  std::vector<StepTime> times;
  ASSERT_TRUE(s->profile(&times).ok());
  ASSERT_EQ(times.size(), 2u);
  EXPECT_EQ(times[1].step, 1);
  EXPECT_EQ(values(*s), (Values{3}));
}

}  // namespace
}  // namespace lathe
