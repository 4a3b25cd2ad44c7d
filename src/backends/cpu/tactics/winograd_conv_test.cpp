// SPDX-License-Identifier: Apache-2.0
// Both tile sizes against the reference on shapes that no tile divides, and what is declined.
#include "backends/cpu/tactic_check.h"
#include "base/parallel.h"

namespace lathe::cpu {

const Tactic& winograd_conv();

namespace {

// Winograd's error follows all that a tile reads: the worst of a whole tensor may exceed the
// operator's bound a little, and the tuner then drops the tactic. A wrong term exceeds it by 1e4.
constexpr double kOfBound = 1.5;

struct Problem {
  int64_t images, channels, height, width, out_channels;
  Ints pads = {1, 1, 1, 1};
  bool bias = true;
};

OpInstance conv(const Problem& p) {
  Attrs a;
  a.set("strides", Ints{1, 1}).set("dilations", Ints{1, 1}).set("pads", p.pads);
  a.set("group", int64_t{1});
  const TensorType x{DType::F32, Shape{p.images, p.channels, p.height, p.width}};
  const TensorType w{DType::F32, Shape{p.out_channels, p.channels, 3, 3}};
  std::vector<TensorType> in{x, w};
  if (p.bias) in.push_back({DType::F32, Shape{p.out_channels}});
  OpInstance op = infer(*find_op("Conv"), std::move(in), a)->op;
  op.constant_in = 2;
  op.in[0].layout = op.out[0].layout = Layout::ChannelsLast;
  return op;
}

// With the epilogue over the result a, an operand b of its shape, one by channel c, and the input.
OpInstance fused(const Problem& p, const char* text) {
  OpInstance op = conv(p);
  op.fusion.anchor_operands = static_cast<int>(op.in.size());
  op.fusion.anchor_in = op.in;
  op.fusion.anchor_out = op.out;
  op.fusion.epilogue = *Expr::parse(text);
  op.in.push_back(op.out[0]);
  op.in.push_back({DType::F32, Shape{p.out_channels, 1, 1}});
  return op;
}

void check(const OpInstance& op, const Config& config) {
  check_tactic(winograd_conv(), op, config, kOfBound);
}

TEST(WinogradConv, AgreesWhereTilesStickOut) {
  for (const auto& [h, w] : {std::pair{13, 10}, {4, 4}, {5, 3}, {1, 1}, {2, 9}, {8, 31}}) {
    check(conv({1, 128, h, w, 32}), "tile=4");
    check(conv({1, 24, h, w, 32}), "tile=2");
  }
}

TEST(WinogradConv, AgreesForPaddingOfEachSide) {
  for (const Ints& pads :
       {Ints{0, 0, 0, 0}, {1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}}) {
    check(conv({1, 64, 11, 7, 32, pads}), "tile=4");
    check(conv({1, 32, 11, 7, 32, pads}), "tile=2");
  }
}

TEST(WinogradConv, AgreesForChannelsThatFillNoVector) {
  for (const auto& [c, m] : {std::pair{67, 33}, {80, 17}, {65, 49}, {96, 31}}) {
    check(conv({1, c, 9, 10, m}), "tile=4");
    check(conv({1, c, 9, 10, m}), "tile=2");
  }
}

TEST(WinogradConv, AgreesForBatchesByBlocksAndTogether) {
  check(conv({2, 128, 15, 15, 64, {1, 1, 1, 1}, false}), "tile=4");
  check(conv({3, 128, 40, 37, 16}), "tile=4");  // more tiles than the threads' caches hold
  check(conv({3, 16, 70, 61, 16}), "tile=2");
}

TEST(WinogradConv, ThreadsShareTheWork) {
  for (int threads : {1, 3, 5}) {
    ThreadScope scope(threads);
    check(conv({1, 128, 17, 17, 48}), "tile=4");
    check(conv({2, 128, 60, 50, 16}), "tile=4");
  }
}

TEST(WinogradConv, FusesAnyEpilogue) {
  const char* epilogues[] = {
      "(a:f32, b:f32, c:f32, x:f32) -> max(a, 0)",
      "(a:f32, b:f32, c:f32, x:f32) -> max(add(a, b), 0)",
      "(a:f32, b:f32, c:f32, x:f32) -> mul(a, sigmoid(a))",
      "(a:f32, b:f32, c:f32, x:f32) -> add(x, mul(a, c))",
      "(a:f32, b:f32, c:f32, x:f32) -> add(b, x)",
  };
  for (const char* text : epilogues) {
    check(fused({2, 96, 11, 13, 96}, text), "tile=4");
    check(fused({1, 128, 30, 44, 128}, text), "tile=4");
    check(fused({2, 35, 6, 9, 35}, text), "tile=2");
  }
}

TEST(WinogradConv, OneCopyOfTheWeightsServesAllShapes) {
  class Counting : public NoCache {
   public:
    Result<std::shared_ptr<void>> get(const std::string& key,
                                      Result<std::shared_ptr<void>> (*make)(void*),
                                      void* state) override {
      keys.push_back(key);
      return NoCache::get(key, make, state);
    }
    std::vector<std::string> keys;
  } cache;
  std::unique_ptr<Device> cpu = make_cpu_device();
  Random random(3);
  for (int64_t size : {14, 20}) {
    const OpInstance op = conv({1, 64, size, size, 32});
    std::vector<HostTensor> constants(op.in.size());
    constants[1] = random_tensor(op.in[1], random);
    ASSERT_TRUE(winograd_conv().load({op, "tile=4", {}, constants, *cpu, cache}).ok());
  }
  ASSERT_EQ(cache.keys.size(), 2U);
  EXPECT_EQ(cache.keys[0], cache.keys[1]);
}

TEST(WinogradConv, DeclinesWhatItDoesNotPayFor) {
  std::unique_ptr<Device> cpu = make_cpu_device();
  auto reason = [&](const OpInstance& op) { return winograd_conv().supports(op, cpu->info()).why; };
  EXPECT_EQ(reason(conv({1, 64, 56, 56, 64})), "");
  EXPECT_EQ(reason(conv({1, 8, 56, 56, 64})), "too few channels for winograd");
  EXPECT_EQ(reason(conv({1, 16, 160, 160, 16})), "too few pixels or channels to pay");
  EXPECT_EQ(reason(conv({1, 512, 4, 4, 512})), "too few pixels or channels to pay");
  EXPECT_EQ(reason(conv({1, 64, 56, 56, 64, {2, 2, 2, 2}})),
            "padding wider than 1 leaves sums too short for winograd's rounding");
  OpInstance op = conv({1, 64, 56, 56, 64});
  op.out[0].layout = Layout::RowMajor;
  EXPECT_EQ(reason(op), "the result is not NHWC");
  op = conv({1, 64, 56, 56, 64});
  op.constant_in = 0;
  EXPECT_EQ(reason(op), "the weights are no constant");
}

TEST(WinogradConv, OffersLargeTilesForLongSumsOnly) {
  std::unique_ptr<Device> cpu = make_cpu_device();
  auto offered = [&](const OpInstance& op) {
    std::vector<Config> list = winograd_conv().configs(op, cpu->info());
    std::erase_if(list, [](const Config& c) { return c.ends_with("block=small"); });
    return list;
  };
  EXPECT_EQ(offered(conv({1, 64, 56, 56, 64})), (std::vector<Config>{"tile=4", "tile=2"}));
  EXPECT_EQ(offered(conv({1, 32, 56, 56, 64})), (std::vector<Config>{"tile=2"}));
}

}  // namespace
}  // namespace lathe::cpu
