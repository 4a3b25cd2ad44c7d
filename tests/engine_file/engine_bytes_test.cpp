// SPDX-License-Identifier: Apache-2.0
// The engine file as bytes: damage is refused, equal builds are equal bytes, reading gives back
// what was written.
#include "api/demo_engine.h"
#include "base/random.h"
#include "engine/format.h"

namespace lathe::testing {
namespace {

std::vector<std::byte> digits_bytes() {
  Result<std::vector<std::byte>> bytes = demo_engine("digits.onnx").serialize();
  EXPECT_TRUE(bytes.ok()) << bytes.status().message();
  return *std::move(bytes);
}

TEST(EngineBytes, EveryFlippedBitIsRefused) {
  std::vector<std::byte> bytes = digits_bytes();
  ASSERT_TRUE(read_engine(bytes, nullptr).ok());
  Random random(20261);
  constexpr int kFlips = 10000;
  for (int flip = 0; flip < kFlips; ++flip) {
    // One in four in the header and the structure that follows it, which are small and dense.
    const auto last = static_cast<int64_t>(flip % 4 == 0 ? 4096 : bytes.size()) - 1;
    const auto at = static_cast<size_t>(random.integer(0, last));
    const auto bit = std::byte{1} << random.integer(0, 7);
    bytes[at] ^= bit;
    const Result<Plan> plan = read_engine(bytes, nullptr);
    EXPECT_FALSE(plan.ok()) << "byte " << at;
    EXPECT_FALSE(plan.ok() || plan.status().message().empty());
    bytes[at] ^= bit;
  }
  EXPECT_TRUE(read_engine(bytes, nullptr).ok());
}

TEST(EngineBytes, EveryTruncationIsRefused) {
  const std::vector<std::byte> bytes = digits_bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Result<Plan> plan = read_engine(std::span(bytes).first(size), nullptr);
    ASSERT_FALSE(plan.ok()) << size << " bytes";
  }
  std::vector<std::byte> longer = bytes;
  longer.resize(bytes.size() + 64);
  EXPECT_FALSE(read_engine(longer, nullptr).ok());
}

TEST(EngineBytes, AreRefusedWithACureWhenTheyAreOfAnotherVersion) {
  std::vector<std::byte> bytes = digits_bytes();
  bytes[8] = std::byte{99};
  const Status s = read_engine(bytes, nullptr).status();
  EXPECT_EQ(s.message(), "the engine has format 99, this Lathe reads format 1");
  EXPECT_EQ(s.cure(), "build it again from its model");
}

TEST(EngineBytes, AreTheSameForTheSameModelAndTimingCache) {
  const std::string cache = ::testing::TempDir() + "lathe_same_bytes.cache";
  std::remove(cache.c_str());
  BuildOptions options;
  options.timing_cache = cache;
  options.shapes = {{"image", {{4, 1, 8, 8}}}};
  std::vector<std::byte> bytes[3];
  for (std::vector<std::byte>& b : bytes) {
    Result<Engine> engine = Engine::build(demo_model("digits.onnx"), options);
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    b = *engine->serialize();
  }
  // The first build measured; the second and the third found everything in the cache.
  EXPECT_TRUE(bytes[1] == bytes[2]);
  EXPECT_TRUE(bytes[0] == bytes[1]);
  std::remove(cache.c_str());
}

TEST(EngineBytes, ReadAndWrittenAgainAreTheSame) {
  for (const char* network : {"digits.onnx", "upscale.onnx"}) {
    const Result<std::vector<std::byte>> bytes = demo_engine(network).serialize();
    ASSERT_TRUE(bytes.ok()) << bytes.status().message();
    Result<Engine> engine = Engine::parse(*bytes);
    ASSERT_TRUE(engine.ok()) << engine.status().message();
    EXPECT_TRUE(*engine->serialize() == *bytes) << network;
  }
}

TEST(EngineBytes, ComputeWhatTheBuiltEngineComputes) {
  const Engine built = demo_engine("upscale.onnx");
  Result<Engine> read = Engine::parse(*built.serialize());
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->steps().size(), built.steps().size());
  const Tensor image = wave({1, 3, 18, 22});
  Result<Session> a = built.open(), b = read->open();
  EXPECT_EQ(run_once(*a, image, "upscaled"), run_once(*b, image, "upscaled"));
}

}  // namespace
}  // namespace lathe::testing
