// SPDX-License-Identifier: Apache-2.0
// Both tactics over our own products against the reference, where sizes fill no tile, panel or
// chunk, and what is declined.
#include "backends/cpu/tactic_check.h"
#include "base/parallel.h"

namespace lathe::cpu {

const Tactic& gemm_conv();
const Tactic& gemm_matmul();

namespace {

constexpr const char* kSplits[] = {"split=rows", "split=columns"};

struct Problem {
  int64_t images, channels, height, width, out_channels, kernel = 3;
  int64_t stride = 1, dilation = 1;
  Ints pads = {1, 1, 1, 1};
};

OpInstance conv(const Problem& p) {
  Attrs a;
  a.set("strides", Ints{p.stride, p.stride}).set("dilations", Ints{p.dilation, p.dilation});
  a.set("pads", p.pads).set("group", int64_t{1});
  const TensorType x{DType::F32, Shape{p.images, p.channels, p.height, p.width}};
  const TensorType w{DType::F32, Shape{p.out_channels, p.channels, p.kernel, p.kernel}};
  OpInstance op = infer(*find_op("Conv"), {x, w, {DType::F32, Shape{p.out_channels}}}, a)->op;
  op.constant_in = 2;
  op.in[0].layout = op.out[0].layout = Layout::ChannelsLast;
  return op;
}

// With an epilogue over the result a, extras of the given shapes, and the input.
OpInstance fused(OpInstance op, const char* epilogue, const std::vector<Shape>& extras) {
  op.fusion.anchor_operands = static_cast<int>(op.in.size());
  op.fusion.anchor_in = op.in;
  op.fusion.anchor_out = op.out;
  op.fusion.epilogue = *Expr::parse(epilogue);
  const Expr& e = op.fusion.epilogue;
  op.out[0].dtype = e.nodes()[static_cast<size_t>(e.outputs()[0])].dtype;
  for (const Shape& s : extras) {
    const bool whole = s == op.out[0].shape;
    op.in.push_back({DType::F32, s, whole ? op.out[0].layout : Layout::RowMajor});
  }
  return op;
}

void check(const Tactic& tactic, const OpInstance& op) {
  const Support support = tactic.supports(op, make_cpu_device()->info());
  ASSERT_TRUE(support) << support.why;
  for (const char* split : kSplits) check_tactic(tactic, op, split);
}

TEST(Gemm, ProductsOfAnySizeAgree) {
  for (int64_t rows : {1, 2, 5, 9, 13, 130}) {
    for (int64_t columns : {1, 7, 8, 17, 32, 48, 51, 100}) {
      check(gemm_matmul(),
            product(DType::F32, {rows}, 19, columns, rows % 2 == 0, columns % 2 == 0));
    }
  }
}

TEST(Gemm, LongSumsAreTakenInChunks) {
  for (int64_t depth : {1, 255, 256, 257, 700}) {
    check(gemm_matmul(), product(DType::F32, {11}, depth, 33, false, true));
  }
}

TEST(Gemm, BlocksOfRowsAndColumnsMeet) {
  check(gemm_matmul(), product(DType::F32, {300}, 40, 1030, false, true));
  check(gemm_matmul(), product(DType::F32, {2, 3, 50}, 40, 20, true, false));
}

TEST(Gemm, ThreadsShareTheWork) {
  for (int threads : {1, 3, 5}) {
    ThreadScope scope(threads);
    check(gemm_matmul(), product(DType::F32, {70}, 33, 200, false, true));
    check(gemm_conv(), conv({2, 16, 13, 11, 40}));
  }
}

TEST(Gemm, ProductsFuseAnyEpilogueAndPrologue) {
  const OpInstance op = product(DType::F32, {2, 9}, 24, 24, false, true);
  const Shape whole{2, 9, 24}, vector{24}, row{2, 9, 1};
  for (const char* text : {
           "(a:f32, b:f32, c:f32, r:f32, x:f32) -> max(a, 0)",
           "(a:f32, b:f32, c:f32, r:f32, x:f32) -> add(x, mul(add(a, b), c))",
           "(a:f32, b:f32, c:f32, r:f32, x:f32) -> cast(mul(a, r), bf16)",
           "(a:f32, b:f32, c:f32, r:f32, x:f32) -> max(cast(a, f16), 0:f16)",
       }) {
    check(gemm_matmul(), fused(op, text, {whole, vector, row}));
  }
  OpInstance gated = fused(op, "(a:f32, g:f32, x:f32) -> mul(a, sigmoid(a))", {row});
  gated.fusion.prologue = {*Expr::parse("(x:f32, g:f32) -> mul(x, g)")};
  check(gemm_matmul(), gated);
}

TEST(Gemm, WindowsAgreeAtTheBorders) {
  check(gemm_conv(), conv({1, 3, 21, 17, 33, 7, 2, 1, {3, 3, 3, 3}}));
  check(gemm_conv(), conv({2, 20, 9, 10, 17}));
  check(gemm_conv(), conv({1, 9, 12, 5, 24, 3, 2, 1, {0, 1, 1, 0}}));
  check(gemm_conv(), conv({1, 16, 14, 13, 16, 3, 1, 3, {3, 3, 3, 3}}));
  check(gemm_conv(), conv({1, 130, 6, 6, 40, 3, 1, 1, {2, 2, 2, 2}}));
  check(gemm_conv(), conv({1, 5, 2, 2, 9, 5, 1, 1, {2, 2, 2, 2}}));  // wider than the picture
  check(gemm_conv(), conv({2, 40, 15, 15, 70, 1, 2, 1, {0, 0, 0, 0}}));
}

TEST(Gemm, PixelsAreReadWhereTheyLie) {
  const OpInstance op = conv({2, 24, 9, 11, 24, 1, 1, 1, {0, 0, 0, 0}});
  check(gemm_conv(), op);
  const Shape whole = op.out[0].shape, gate{2, 24, 1, 1}, vector{24, 1, 1};
  for (const char* text : {
           "(a:f32, b:f32, g:f32, c:f32, x:f32) -> max(add(a, b), 0)",
           "(a:f32, b:f32, g:f32, c:f32, x:f32) -> add(x, mul(mul(a, g), c))",
           "(a:f32, b:f32, g:f32, c:f32, x:f32) -> cast(a, bf16)",
           "(a:f32, b:f32, g:f32, c:f32, x:f32) -> max(cast(a, bf16), 0:bf16)",
       }) {
    check(gemm_conv(), fused(op, text, {whole, gate, vector}));
  }
  OpInstance gated = fused(op, "(a:f32, g:f32, x:f32) -> max(a, 0)", {gate});
  gated.fusion.prologue = {*Expr::parse("(x:f32, g:f32) -> mul(x, sigmoid(g))")};
  check(gemm_conv(), gated);
}

TEST(Gemm, DeclinesWhatItCannotRead) {
  std::unique_ptr<Device> cpu = make_cpu_device();
  OpInstance op = conv({1, 16, 8, 8, 16});
  auto reason = [&](const Tactic& t, const OpInstance& i) {
    return t.supports(i, cpu->info()).why;
  };
  op.out[0].layout = Layout::RowMajor;
  EXPECT_EQ(reason(gemm_conv(), op), "the input or a result is not NHWC");
  op = conv({1, 16, 8, 8, 16});
  op.constant_in = 0;
  EXPECT_EQ(reason(gemm_conv(), op), "the weights are no constant");
  OpInstance gated =
      fused(conv({1, 16, 8, 8, 16}), "(a:f32, g:f32, x:f32) -> a", {Shape{16, 1, 1}});
  gated.fusion.prologue = {*Expr::parse("(x:f32, g:f32) -> mul(x, g)")};
  EXPECT_EQ(reason(gemm_conv(), gated), "a prologue of windows of several pixels");
  EXPECT_EQ(reason(gemm_conv(), conv({1, 0, 8, 8, 16})), "there is nothing to add up");
  EXPECT_EQ(reason(gemm_matmul(), product(DType::F32, {4}, 0, 8, false, false)),
            "there is nothing to add up");
  op = product(DType::F32, {4}, 8, 8, false, false);
  op.attrs.set("transpose_a", int64_t{1});
  EXPECT_EQ(reason(gemm_matmul(), op), "a is transposed");
}

}  // namespace
}  // namespace lathe::cpu
