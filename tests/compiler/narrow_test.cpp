// SPDX-License-Identifier: Apache-2.0
// Narrow types on any machine: what the stage leaves of casts, on a device that claims BF16.
#include "compiled.h"
#include "compiler/stages.h"
#include "device/test_device.h"

namespace lathe::testing {
namespace {

class NarrowDevice : public TestDevice {
 public:
  NarrowDevice() : TestDevice({}) { info_.features = "bf16"; }
};

// The plan of the graph after the stage.
Plan narrowed(const std::string& text) {
  NarrowDevice device;
  CompileOptions options = untuned();
  options.bf16 = true;
  TimingCache cache;
  Tuner tuner(device, device, nullptr, cache, options.tuner);
  const CompileDevices devices{&device, &device, nullptr};
  const Bindings point;
  const Stage stage{devices, options, tuner, point, Progress{}};
  const Graph graph = *parse_graph(text);
  Plan plan = *lower(graph, options);
  EXPECT_TRUE(narrow_types(plan, stage).ok());
  EXPECT_TRUE(verify(plan).ok()) << verify(plan).message();
  return plan;
}

const Step& named(const Plan& plan, std::string_view name) {
  return *std::find_if(plan.steps.begin(), plan.steps.end(),
                       [&](const Step& s) { return s.name == name; });
}

int casts(const Plan& plan) {
  return static_cast<int>(std::count_if(plan.steps.begin(), plan.steps.end(),
                                        [](const Step& s) { return s.name.starts_with("cast "); }));
}

constexpr std::string_view kSkip =
    "graph g(%x: f32[2,4], %w: f32[4,4]) {\n"
    "  %a = Pointwise{expr=\"(a:f32) -> max(a, 0)\"}(%x) \"relu\"\n"
    "  %m = MatMul{}(%a, %w) \"product\"\n"
    "  %s = Pointwise{expr=\"(a:f32, b:f32) -> add(a, b)\"}(%m, %a) \"sum\"\n"
    "  %n = MatMul{}(%s, %w) \"again\"\n"
    "  %t = Pointwise{expr=\"(a:f32, b:f32) -> add(a, mul(b, b))\"}(%n, %s) \"square\"\n"
    "  return y=%t\n}\n";

TEST(NarrowTypes, ExpressionsReadAndWriteNarrowTensorsThemselves) {
  const Plan plan = narrowed(std::string(kSkip));
  EXPECT_EQ(named(plan, "relu").op.out[0].dtype, DType::BF16);
  const Step& sum = named(plan, "sum");
  EXPECT_EQ(sum.op.out[0].dtype, DType::BF16);
  // The skip comes in as it is stored; the product's result is cast behind the product.
  EXPECT_EQ(std::count_if(sum.op.in.begin(), sum.op.in.end(),
                          [](const TensorType& t) { return t.dtype == DType::BF16; }),
            1);
  EXPECT_EQ(named(plan, "square").op.out[0].dtype, DType::F32);
  // Of the weights, and of either product's result.
  EXPECT_EQ(casts(plan), 3);
}

}  // namespace
}  // namespace lathe::testing
