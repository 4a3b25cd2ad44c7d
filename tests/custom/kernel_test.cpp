// SPDX-License-Identifier: Apache-2.0
// The kernel of examples/snake.json as a GPU build would see it, without a GPU: the Custom node,
// its twin, its text through NVRTC where that is, its launch geometry.
#include <gtest/gtest.h>

#include <cmath>

#include "backends/cuda/compile/nvrtc_compiler.h"
#include "backends/cuda/cuda_device.h"
#include "custom/operators.h"
#include "device/tactic.h"
#include "onnx/test_model.h"

namespace lathe {
namespace {

// A graph whose only node is a Custom Snake of this element type (ONNX's code).
Result<Graph> snake_graph(int type) {
  const auto custom = LATHE_TRY(CustomOperators::open({SNAKE_DEFINITION}, {}));
  TestModel m(17);
  m.input("x", type, {-1, 3, -2}).input("alpha", type, {3});
  m.node("Snake", {"x", "alpha"}, {"y"}).output("y");
  m.proto.mutable_graph()->mutable_node(0)->set_domain("com.example");
  LoadOptions options;
  options.custom = custom;
  return m.load(options);
}

const Node& only_node(const Graph& g) {
  EXPECT_EQ(g.node_count(), 1U);
  return *g.nodes()[0];
}

TEST(Kernel, StaysACustomNodeOverTheModelsSizes) {
  Result<Graph> g = snake_graph(1);
  ASSERT_TRUE(g.ok()) << g.status().message();
  const Node& node = only_node(*g);
  EXPECT_TRUE(node.is("Custom"));
  EXPECT_EQ(node.out()->type.to_string(), "f32[N,3,O]");
  EXPECT_EQ(node.op.attrs.text("grid"), "floordiv(C*L*N + 255, 256)");
  EXPECT_EQ(node.op.attrs.text("arguments"), "C*L*N, C, L");
  EXPECT_TRUE(verify(*g).ok()) << verify(*g).message();
  Result<Graph> again = parse_graph(to_string(*g));
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(to_string(*again), to_string(*g));
}

TEST(Kernel, HasATwinThatComputesTheFormula) {
  Result<Graph> g = snake_graph(1);
  ASSERT_TRUE(g.ok()) << g.status().message();
  for (const int64_t length : {1, 5, 40}) {
    std::vector<float> x, alpha{0.5F, 1, 4};
    for (int64_t i = 0; i < 2 * 3 * length; ++i) x.push_back(0.1F * static_cast<float>(i % 31) - 1);
    const HostTensor in = HostTensor::of<float>({2, 3, length}, std::span<const float>(x));
    const HostTensor a = HostTensor::of<float>({3}, std::span<const float>(alpha));
    Result<std::vector<HostTensor>> y = interpret(*g, std::vector{in, a});
    ASSERT_TRUE(y.ok()) << y.status().message();
    for (size_t i = 0; i < x.size(); ++i) {
      const double f = alpha[i / static_cast<size_t>(length) % 3], s = std::sin(f * x[i]);
      EXPECT_NEAR((*y)[0].get_f64(static_cast<int64_t>(i)), x[i] + s * s / (f + 1e-9), 1e-6);
    }
  }
}

TEST(Kernel, CompilesForEveryTypeItsDefinitionNames) {
  Result<std::unique_ptr<KernelCompiler>> compiler = cuda::make_nvrtc_compiler();
  if (!compiler.ok()) GTEST_SKIP() << compiler.status().message();
  DeviceInfo gpu;
  gpu.kind = DeviceKind::Cuda;
  gpu.sm = 90;
  for (const int type : {1, 10}) {
    Result<Graph> g = snake_graph(type);
    ASSERT_TRUE(g.ok()) << g.status().message();
    Result<OpInstance> op = only_node(*g).op.evaluate({{"N", 2}, {"O", 100}});
    ASSERT_TRUE(op.ok()) << op.status().message();
    for (const Tactic* t : cuda::tactics()) {
      if (t->name != "custom_kernel") continue;
      ASSERT_TRUE(t->supports(*op, gpu)) << t->supports(*op, gpu).why;
      Result<std::string> text = t->source(*op, {}, gpu);
      ASSERT_TRUE(text.ok()) << text.status().message();
      Result<std::vector<std::byte>> cubin = (*compiler)->compile(*text, gpu.sm);
      EXPECT_TRUE(cubin.ok()) << cubin.status().message();
    }
  }
}

TEST(Kernel, OfAnotherTypeIsRefusedByName) {
  Result<Graph> g = snake_graph(11);
  ASSERT_FALSE(g.ok());
  EXPECT_NE(g.status().message().find("operand 'x' is f64[N,3,O], expected f32 or f16"),
            std::string::npos)
      << g.status().message();
}

}  // namespace
}  // namespace lathe
