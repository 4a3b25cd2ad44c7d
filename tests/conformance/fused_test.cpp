// SPDX-License-Identifier: Apache-2.0
// Anchors with epilogues and slices, in every layout: whatever a tactic says it supports, it must
// compute as the reference does; and the epilogues of known networks must be supported.
#include <gtest/gtest.h>

#include "backends/cpu/cpu_device.h"
#include "trial.h"
#include "tuner/test_data.h"

namespace lathe {
namespace {

TensorType f32(std::initializer_list<Dim> dims) { return {DType::F32, Shape(dims)}; }
TensorType bf16(std::initializer_list<Dim> dims) { return {DType::BF16, Shape(dims)}; }

struct Epilogue {
  const char* name;
  const char* text;       // over the result a, an operand b of its shape, an operand c by channel
  bool must_fuse = true;  // with the anchors below, by some tactic
};

constexpr Epilogue kEpilogues[] = {
    {"relu", "(a:f32, b:f32, c:f32) -> max(a, 0)"},
    {"relu6", "(a:f32, b:f32, c:f32) -> min(max(a, 0), 6)"},
    {"leaky", "(a:f32, b:f32, c:f32) -> select(lt(a, 0), mul(a, 0.1), a)"},
    {"prelu", "(a:f32, b:f32, c:f32) -> select(lt(a, 0), mul(a, c), a)", false},
    {"sigmoid", "(a:f32, b:f32, c:f32) -> sigmoid(a)"},
    {"silu", "(a:f32, b:f32, c:f32) -> mul(a, sigmoid(a))"},
    {"hardswish", "(a:f32, b:f32, c:f32) -> mul(a, max(0, min(1, add(mul(a, 0.16666667), 0.5))))"},
    {"hardswish, divided", "(a:f32, b:f32, c:f32) -> div(mul(a, min(max(add(a, 3), 0), 6)), 6)"},
    {"hardsigmoid", "(a:f32, b:f32, c:f32) -> max(0, min(1, add(mul(a, 0.2), 0.5)))"},
    {"tanh", "(a:f32, b:f32, c:f32) -> tanh(a)"},
    {"gelu", "(a:f32, b:f32, c:f32) -> mul(mul(a, 0.5), add(1, erf(mul(a, 0.70710678))))"},
    {"gelu, divided", "(a:f32, b:f32, c:f32) -> mul(0.5, mul(a, add(erf(div(a, 1.4142135)), 1)))"},
    {"gelu tanh",
     "(a:f32, b:f32, c:f32) -> mul(mul(a, 0.5), add(1, tanh(mul(0.79788456, add(a, mul(0.044715, "
     "mul(a, mul(a, a))))))))"},
    {"elu", "(a:f32, b:f32, c:f32) -> select(lt(a, 0), mul(1.5, expm1(a)), a)"},
    {"mish", "(a:f32, b:f32, c:f32) -> mul(a, tanh(add(max(a, 0), log1p(exp(neg(abs(a)))))))"},
    {"affine", "(a:f32, b:f32, c:f32) -> sub(mul(a, 2), 0.5)"},
    {"residual", "(a:f32, b:f32, c:f32) -> add(a, b)"},
    {"residual relu", "(a:f32, b:f32, c:f32) -> max(add(b, a), 0)"},
    {"silu residual", "(a:f32, b:f32, c:f32) -> add(b, mul(a, sigmoid(a)))"},
    {"channel scale", "(a:f32, b:f32, c:f32) -> mul(a, c)"},
    {"reversed difference", "(a:f32, b:f32, c:f32) -> sub(b, a)"},
    {"batch norm, residual, relu", "(a:f32, b:f32, c:f32) -> max(add(add(mul(a, c), c), b), 0)"},
    {"two uses", "(a:f32, b:f32, c:f32) -> add(a, exp(mul(a, b)))", false},
    {"divisor", "(a:f32, b:f32, c:f32) -> div(b, add(abs(a), 1))", false},
};

struct Anchor {
  const char* name;
  OpInstance op;
  TensorType channel;  // of operand c
  bool layouts;
};

OpInstance conv(TensorType x, TensorType w, Ints stride, Ints pads, int64_t group, Ints dilation) {
  Attrs a;
  a.set("strides", stride).set("dilations", dilation).set("pads", pads).set("group", group);
  const TensorType b{x.dtype, Shape{w.shape[0]}};
  OpInstance op = infer(*find_op("Conv"), {x, w, b}, a)->op;
  op.constant_in = 6;
  return op;
}

OpInstance matmul(TensorType a, TensorType b, bool transpose_b, bool constant) {
  Attrs attrs;
  attrs.set("transpose_a", int64_t{0}).set("transpose_b", int64_t{transpose_b});
  OpInstance op = infer(*find_op("MatMul"), {a, b}, attrs)->op;
  op.constant_in = constant ? 2 : 0;
  return op;
}

std::vector<Anchor> anchors() {
  const TensorType channels = f32({32, 1, 1});
  return {
      {"3x3", conv(f32({1, 32, 9, 11}), f32({32, 32, 3, 3}), {1, 1}, {1, 1, 1, 1}, 1, {1, 1}),
       channels, true},
      {"1x1", conv(f32({2, 48, 7, 7}), f32({32, 48, 1, 1}), {1, 1}, {0, 0, 0, 0}, 1, {1, 1}),
       channels, true},
      {"first", conv(f32({1, 3, 16, 16}), f32({32, 3, 3, 3}), {2, 2}, {0, 0, 1, 1}, 1, {1, 1}),
       channels, true},
      {"depthwise", conv(f32({1, 32, 9, 9}), f32({32, 1, 3, 3}), {2, 2}, {1, 1, 1, 1}, 32, {1, 1}),
       channels, true},
      {"product", matmul(f32({2, 5, 48}), f32({48, 32}), false, true), f32({32}), false},
      {"batched", matmul(f32({2, 3, 8, 16}), f32({2, 3, 20, 16}), true, false), f32({1, 1, 20}),
       false},
  };
}

constexpr std::pair<Layout, Layout> kLayouts[] = {{Layout::RowMajor, Layout::RowMajor},
                                                  {Layout::ChannelsLast, Layout::ChannelsLast},
                                                  {Layout::RowMajor, Layout::ChannelsLast},
                                                  {Layout::Blocked16, Layout::Blocked16}};

std::string check(Device& cpu, const OpInstance& op, TrialCounts& counts) {
  if (Status s = verify_instance(op); !s.ok()) return "verify: " + s.message();
  Result<std::vector<HostTensor>> inputs = make_inputs(op, {}, 7);
  if (!inputs.ok()) return inputs.status().message();
  const Status s = try_tactics(cpu, op, *inputs, counts);
  if (!s.ok()) return s.message();
  const Status r = try_reference(cpu, op, *inputs);
  return r.ok() ? "" : r.message();
}

TEST(Fused, EveryEpilogueOfEveryAnchorAgreesWithTheReference) {
  std::unique_ptr<Device> cpu = cpu::make_cpu_device();
  for (const Anchor& anchor : anchors()) {
    for (const Epilogue& e : kEpilogues) {
      TrialCounts counts;
      const TensorType extras[] = {anchor.op.out[0], anchor.channel};
      const OpInstance op = with_epilogue(anchor.op, e.text, extras);
      for (const auto& [in, out] : kLayouts) {
        if (!anchor.layouts && in != Layout::RowMajor) continue;
        if (!anchor.layouts && out != Layout::RowMajor) continue;
        EXPECT_EQ(check(*cpu, with_layouts(op, in, out), counts), "")
            << anchor.name << " " << e.name;
      }
      if (e.must_fuse && cpu->info().has("avx512")) {
        EXPECT_GT(counts.size(), 0) << anchor.name << " with " << e.name << " ran on no tactic";
      }
    }
  }
}

TEST(Fused, ChannelSlicesAgreeWithTheReference) {
  std::unique_ptr<Device> cpu = cpu::make_cpu_device();
  TrialCounts counts;
  for (const Anchor& anchor : anchors()) {
    if (!anchor.layouts) continue;
    for (int which = 0; which < 3; ++which) {
      OpInstance op = with_layouts(anchor.op, Layout::ChannelsLast, Layout::ChannelsLast);
      const Dim c = op.in[0].shape[1], m = op.out[0].shape[1];
      if (which != 1) op.fusion.in_slice = {Slice{1, Dim(16), c + 48}};
      if (which != 0) op.fusion.out_slice = {Slice{1, Dim(32), m + 64}};
      EXPECT_EQ(check(*cpu, op, counts), "") << anchor.name;
    }
  }
}

TEST(Fused, PartsOfConcatsAreWrittenWithEpilogues) {
  std::unique_ptr<Device> cpu = cpu::make_cpu_device();
  TrialCounts counts;
  for (const Anchor& anchor : anchors()) {
    if (!anchor.layouts) continue;
    const TensorType extras[] = {anchor.op.out[0], anchor.channel};
    OpInstance op =
        with_epilogue(anchor.op, "(a:f32, b:f32, c:f32) -> add(mul(a, sigmoid(a)), b)", extras);
    op = with_layouts(op, Layout::ChannelsLast, Layout::ChannelsLast);
    op.fusion.out_slice = {Slice{1, Dim(32), op.out[0].shape[1] + 64}};
    EXPECT_EQ(check(*cpu, op, counts), "") << anchor.name;
    EXPECT_GT(counts.size(), 0) << anchor.name << " " << reasons(*cpu, op);
    counts.clear();
  }
}

TEST(Fused, ProloguesAndSecondResultsOfConvolutions) {
  std::unique_ptr<Device> cpu = cpu::make_cpu_device();
  TrialCounts counts;
  for (const Anchor& anchor : anchors()) {
    if (!anchor.layouts) continue;
    const TensorType gate = f32({1, anchor.op.in[0].shape[1], 1, 1});
    const TensorType extras[] = {anchor.op.out[0], gate};
    OpInstance op = with_epilogue(
        anchor.op, "(a:f32, b:f32, g:f32) -> let t = add(a, b) in max(t, 0), t", extras);
    op.fusion.prologue = {*Expr::parse("(a:f32, b:f32, g:f32) -> mul(a, g)")};
    op.out.push_back(op.out[0]);
    op.fusion.prologue[0] = op.fusion.prologue[0].canonical();
    op = with_layouts(op, Layout::ChannelsLast, Layout::ChannelsLast);
    EXPECT_EQ(check(*cpu, op, counts), "") << anchor.name;
    EXPECT_GT(counts.size(), 0) << anchor.name << " " << reasons(*cpu, op);
    counts.clear();
  }
}

TEST(Fused, RowSlicesOfProductsAgreeWithTheReference) {
  std::unique_ptr<Device> cpu = cpu::make_cpu_device();
  TrialCounts counts;
  OpInstance op = matmul(f32({2, 5, 48}), f32({48, 32}), false, true);
  op.fusion.in_slice = {Slice{2, Dim(16), Dim(96)}};
  op.fusion.out_slice = {Slice{1, Dim(3), Dim(9)}};
  EXPECT_EQ(check(*cpu, op, counts), "");
}

TEST(Fused, Bfloat16WritesBothTypes) {
  std::unique_ptr<Device> cpu = cpu::make_cpu_device();
  if (!cpu->info().has("bf16")) GTEST_SKIP() << "the CPU has no BF16";
  TrialCounts counts;
  const char* epilogues[] = {
      "(a:bf16) -> cast(max(cast(a, f32), 0), bf16)",
      "(a:bf16) -> max(a, 0:bf16)",
      "(a:bf16) -> cast(a, f32)",
      "(a:bf16) -> mul(cast(a, f32), sigmoid(cast(a, f32)))",
  };
  for (const char* text : epilogues) {
    const OpInstance c = with_epilogue(
        conv(bf16({1, 32, 9, 9}), bf16({32, 32, 3, 3}), {1, 1}, {1, 1, 1, 1}, 1, {1, 1}), text, {});
    EXPECT_EQ(check(*cpu, with_layouts(c, Layout::ChannelsLast, Layout::ChannelsLast), counts), "");
    const OpInstance m =
        with_epilogue(matmul(bf16({2, 5, 48}), bf16({48, 32}), false, true), text, {});
    EXPECT_EQ(check(*cpu, m, counts), "");
  }
  EXPECT_GE(counts["onednn_conv"], 4);
  EXPECT_GE(counts["onednn_matmul"], 4);
}

}  // namespace
}  // namespace lathe
