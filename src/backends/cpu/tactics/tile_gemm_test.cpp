// SPDX-License-Identifier: Apache-2.0
// Products in BF16 by tiles against the reference, where sizes fill no tile, by every kernel that
// this processor runs and by the portable one.
#include "backends/cpu/cpu_features.h"
#include "backends/cpu/tactic_check.h"
#include "backends/cpu/tile_names.h"
#include "base/parallel.h"

namespace lathe::cpu {

const Tactic& tile_conv();
const Tactic& tile_matmul();

namespace {

void check(const Tactic& tactic, const OpInstance& op, double of_bound = 1) {
  for (const std::string& kernel : tile_kernel_names()) {
    for (const char* split : {" split=rows", " split=columns"}) {
      check_tactic(tactic, op, kernel + split, of_bound);
    }
  }
}

OpInstance fused(OpInstance op, const char* epilogue, const std::vector<TensorType>& extras) {
  op.fusion.anchor_operands = static_cast<int>(op.in.size());
  op.fusion.anchor_in = op.in;
  op.fusion.anchor_out = op.out;
  op.fusion.epilogue = *Expr::parse(epilogue);
  op.out[0].dtype = op.fusion.epilogue.output_type(0);
  op.in.insert(op.in.end(), extras.begin(), extras.end());
  return op;
}

// The operand that the prologue reads first keeps its type; `extras` follow the anchor's operands.
OpInstance prefixed(OpInstance op, const char* prologue, const std::vector<TensorType>& extras) {
  op = fused(std::move(op), "(a:bf16) -> a", extras);
  op.fusion.prologue = {*Expr::parse(prologue)};
  op.in[0].dtype = op.fusion.prologue[0].inputs()[0];
  return op;
}

OpInstance windows(int64_t images, int64_t channels, int64_t size, int64_t out_channels,
                   int64_t kernel, int64_t stride, int64_t pad) {
  Attrs a;
  a.set("strides", Ints{stride, stride}).set("dilations", Ints{1, 1});
  a.set("pads", Ints{pad, pad, pad, pad});
  const TensorType x{DType::BF16, Shape{images, channels, size, size}};
  const TensorType w{DType::BF16, Shape{out_channels, channels, kernel, kernel}};
  OpInstance op = infer(*find_op("Conv"), {x, w, {DType::BF16, Shape{out_channels}}}, a)->op;
  op.constant_in = 2;
  op.in[0].layout = op.out[0].layout = Layout::ChannelsLast;
  return op;
}

OpInstance pixels(int64_t images, int64_t channels, int64_t size, int64_t out_channels) {
  return windows(images, channels, size, out_channels, 1, 1, 0);
}

TEST(TileGemm, ProductsOfAnySizeAgree) {
  for (int64_t rows : {1, 5, 16, 17, 31, 32, 33, 48, 130, 197}) {
    for (int64_t columns : {1, 16, 31, 32, 33, 100}) {
      check(tile_matmul(),
            product(DType::BF16, {rows}, 64, columns, rows % 2 == 0, columns % 2 == 0));
    }
  }
}

TEST(TileGemm, DepthsThatFillNoTileAreFilledWithZeros) {
  for (int64_t depth : {1, 2, 24, 31, 33, 95, 300}) {
    check(tile_matmul(), product(DType::BF16, {37}, depth, 40, false, true));
  }
}

TEST(TileGemm, WindowsAreGathered) {
  check(tile_conv(), windows(1, 3, 21, 33, 7, 2, 3));
  check(tile_conv(), windows(2, 16, 9, 40, 3, 1, 1));
  check(tile_conv(), windows(1, 70, 6, 20, 3, 2, 0));
  check(tile_conv(), windows(1, 64, 12, 64, 1, 2, 0));
}

TEST(TileGemm, BlocksOfRowsAndColumnsMeet) {
  check(tile_matmul(), product(DType::BF16, {300}, 64, 1030, false, true));
  check(tile_matmul(), product(DType::BF16, {2, 3, 50}, 40, 20, true, false));
  for (int threads : {1, 3, 5}) {
    ThreadScope scope(threads);
    check(tile_matmul(), product(DType::BF16, {70}, 32, 200, false, true));
    check(tile_conv(), pixels(2, 24, 13, 40));
  }
}

// The reference rounds a product to BF16 before the epilogue reads it; a tactic need not.
const double kRoundsOnce = std::ldexp(1.0, 14);

TEST(TileGemm, AnyEpilogueFuses) {
  const OpInstance op = product(DType::BF16, {2, 9}, 32, 24, false, true);
  const TensorType whole{DType::BF16, Shape{2, 9, 24}}, row{DType::F32, Shape{2, 9, 1}};
  for (const char* text : {
           "(a:bf16, b:bf16, r:f32, x:bf16) -> max(a, 0:bf16)",
           "(a:bf16, b:bf16, r:f32, x:bf16) -> mul(add(cast(a, f32), cast(b, f32)), r)",
       }) {
    check(tile_matmul(), fused(op, text, {whole, row}), kRoundsOnce);
  }
  const OpInstance conv = pixels(1, 32, 7, 48);
  TensorType shortcut = conv.out[0];
  check(tile_conv(), fused(conv, "(a:bf16, b:bf16, x:bf16) -> max(add(a, b), 0:bf16)", {shortcut}),
        kRoundsOnce);
}

TEST(TileGemm, PrologueIsMadeOfABlockOfRows) {
  for (int64_t depth : {24, 64}) {
    const OpInstance conv = pixels(2, depth, 9, 40);
    const TensorType gate{DType::BF16, Shape{2, depth, 1, 1}, Layout::ChannelsLast};
    check(tile_conv(), prefixed(conv, "(a:bf16, g:bf16) -> mul(a, g)", {gate}));
    check(tile_conv(), prefixed(conv, "(a:f32) -> cast(a, bf16)", {}));
  }
  const OpInstance op = product(DType::BF16, {70}, 40, 300, false, true);
  check(tile_matmul(), prefixed(op, "(a:bf16) -> max(a, 0:bf16)", {}));
}

TEST(TileGemm, AnEngineOfAnotherMachineTakesTheKernelThatIsThere) {
  const OpInstance op = product(DType::BF16, {40}, 32, 32, false, false);
  std::unique_ptr<Device> cpu = make_cpu_device();
  Random random(1);
  const std::vector<HostTensor> constants{HostTensor(), random_tensor(op.in[1], random)};
  NoCache cache;
  const bool bf16 = cpu->info().has("bf16");
  for (const Config config : {"amx split=rows", "bf16 split=rows"}) {
    EXPECT_EQ(tile_matmul().load({op, config, {}, constants, *cpu, cache}).ok(), bf16);
  }
  const Config unknown = "abacus split=rows";
  EXPECT_FALSE(tile_matmul().load({op, unknown, {}, constants, *cpu, cache}).ok());
}

TEST(TileGemm, DeclinesWhatItCannotRead) {
  DeviceInfo info = make_cpu_device()->info();
  info.features = "avx2,avx512,bf16";
  OpInstance op = product(DType::BF16, {4}, 8, 8, false, false);
  EXPECT_TRUE(tile_matmul().supports(op, info));
  EXPECT_EQ(tile_matmul().configs(product(DType::BF16, {64}, 8, 64, false, false), info)[0],
            "bf16 split=rows");
  info.features = "avx2";
  EXPECT_EQ(tile_matmul().supports(op, info).why, "the CPU has no BF16");
  op.constant_in = 0;
  EXPECT_EQ(tile_matmul().supports(op, info).why, "the weights are no constant");
}

}  // namespace
}  // namespace lathe::cpu
