// SPDX-License-Identifier: Apache-2.0
// Attention in BF16 by tiles against the reference, where lengths fill no tile, by every kernel
// that this processor runs and by the portable one.
#include "backends/cpu/tactic_check.h"
#include "backends/cpu/tile_names.h"
#include "base/parallel.h"

namespace lathe::cpu {

const Tactic& tile_attention();

namespace {

constexpr DType kType = DType::BF16;
// The tactic rounds probabilities to BF16, the reference does not.
const double kOfBound = std::ldexp(1.0, 14);

OpInstance attend(std::vector<TensorType> in, bool causal = false) {
  Attrs a;
  a.set("scale", 0.25).set("causal", int64_t{causal});
  return infer(*find_op("Attention"), std::move(in), a)->op;
}
OpInstance heads(int64_t count, int64_t queries, int64_t keys, int64_t depth, int64_t width,
                 bool causal = false) {
  return attend({{kType, Shape{count, queries, depth}},
                 {kType, Shape{count, keys, depth}},
                 {kType, Shape{count, keys, width}}},
                causal);
}

void check(const OpInstance& op) {
  for (const std::string& kernel : tile_kernel_names()) {
    check_tactic(tile_attention(), op, kernel, kOfBound);
  }
}

TEST(TileAttention, LengthsThatFillNoTileAgree) {
  for (int64_t n : {1, 15, 16, 17, 32, 33, 197}) {
    check(heads(2, n, n, 64, 64));
    check(heads(3, n, 40, 24, 33));
  }
}

TEST(TileAttention, ManyKeysAndQueriesTakeSeveralBlocks) {
  check(heads(1, 70, 2100, 32, 16));
  check(heads(2, 600, 500, 16, 16));
  check(heads(2, 300, 300, 16, 32, /*causal=*/true));
  check(heads(1, 40, 1500, 8, 8, /*causal=*/true));
}

TEST(TileAttention, MasksOfEveryShapeHide) {
  const TensorType q{kType, Shape{2, 3, 35, 16}}, k{kType, Shape{2, 3, 50, 16}};
  for (const Shape& mask : {Shape{50}, Shape{2, 1, 1, 50}, Shape{35, 50}, Shape{2, 3, 35, 1}}) {
    for (DType type : {DType::Bool, kType}) check(attend({q, k, k, {type, mask}}));
  }
}

TEST(TileAttention, HeadsMayShareKeys) {
  for (int threads : {1, 3}) {
    ThreadScope scope(threads);
    const TensorType shared{kType, Shape{2, 1, 20, 32}};
    check(attend({{kType, Shape{2, 4, 30, 32}}, shared, shared}));
  }
}

TEST(TileAttention, IsForBf16Alone) {
  DeviceInfo info = make_cpu_device()->info();
  info.features = "avx2,avx512,bf16";
  const OpInstance op = heads(1, 4, 4, 8, 8);
  EXPECT_TRUE(tile_attention().supports(op, info));
  EXPECT_EQ(tile_attention().configs(op, info)[0], "bf16");
  info.features = "avx2";
  EXPECT_EQ(tile_attention().supports(op, info).why, "the CPU has no BF16");
}

}  // namespace
}  // namespace lathe::cpu
