// SPDX-License-Identifier: Apache-2.0
// Shapes and memory that the caller rules over: profiles, sizes before a run, device memory.
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "demo_engine.h"
#include "lathe/network.h"

namespace lathe::testing {
namespace {

using Sizes = std::vector<int64_t>;

Engine upscale_between(const Sizes& min, const Sizes& opt, const Sizes& max) {
  BuildOptions options = quick_options();
  options.shapes = {{"image", {min, opt, max}}};
  Result<Engine> engine = Engine::build(demo_model("upscale.onnx"), options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return *std::move(engine);
}

// 256-byte aligned.
struct Block {
  explicit Block(size_t bytes)
      : bytes(bytes), data(std::aligned_alloc(256, (bytes + 255) / 256 * 256)) {
    std::memset(data, 0xFF, bytes);
  }
  Block(const Block&) = delete;
  ~Block() { std::free(data); }
  size_t bytes;
  void* data;
};

TEST(Profiles, AreRecordedInTheEngine) {
  const Engine built = upscale_between({1, 3, 8, 8}, {1, 3, 16, 24}, {2, 3, 32, 32});
  const Result<std::vector<std::byte>> bytes = built.serialize();
  ASSERT_TRUE(bytes.ok()) << bytes.status().message();
  for (const Engine& engine : {built, *Engine::parse(*bytes)}) {
    const Result<InputProfile> profile = engine.profile("image");
    ASSERT_TRUE(profile.ok()) << profile.status().message();
    EXPECT_EQ(profile->min, (Sizes{1, 3, 8, 8}));
    EXPECT_EQ(profile->opt, (Sizes{1, 3, 16, 24}));
    EXPECT_EQ(profile->max, (Sizes{2, 3, 32, 32}));
  }
}

TEST(Profiles, SayWhereThereIsNoEnd) {
  const Engine engine = demo_engine("digits.onnx");
  const Result<InputProfile> profile = engine.profile("image");
  ASSERT_TRUE(profile.ok()) << profile.status().message();
  EXPECT_EQ(profile->min, (Sizes{0, 1, 8, 8}));
  EXPECT_EQ(profile->opt, (Sizes{1, 1, 8, 8}));
  EXPECT_EQ(profile->max, (Sizes{-1, 1, 8, 8}));
  EXPECT_EQ(engine.device_memory_size().status().message(), "input 'image' has no largest shape");
}

TEST(Profiles, OfAnInputThatIsNotThereAreAnError) {
  const Result<InputProfile> profile = demo_engine("digits.onnx").profile("img");
  EXPECT_EQ(profile.status().code(), Code::NotFound);
  EXPECT_EQ(profile.status().message(), "no input is named 'img': there are image");
}

TEST(Profiles, OfTheCpuAreInHostMemory) {
  EXPECT_FALSE(demo_engine("digits.onnx").inputs()[0].on_device);
}

TEST(Shapes, AreKnownBeforeARun) {
  const Engine engine = demo_engine("upscale.onnx");
  Result<Session> session = engine.open();
  EXPECT_FALSE(session->input_shape("image").ok());
  const Result<Sizes> unset = session->output_shape("upscaled");
  EXPECT_EQ(unset.status().code(), Code::InvalidInput);
  EXPECT_TRUE(unset.status().message().starts_with("input 'image' has no shape yet"));
  ASSERT_TRUE(session->set_shape("image", Sizes{1, 3, 9, 11}).ok());
  EXPECT_EQ(*session->input_shape("image"), (Sizes{1, 3, 9, 11}));
  EXPECT_EQ(*session->output_shape("upscaled"), (Sizes{1, 3, 18, 22}));
}

TEST(DeviceMemory, OfTheCallersGivesTheSameBits) {
  const Engine engine = upscale_between({1, 3, 8, 8}, {1, 3, 16, 16}, {1, 3, 24, 24});
  const Result<int64_t> most = engine.device_memory_size();
  ASSERT_TRUE(most.ok()) << most.status().message();
  const Tensor images[] = {wave({1, 3, 16, 16}), wave({1, 3, 24, 24}), wave({1, 3, 8, 20})};
  Result<Session> own = engine.open(), lent = engine.open();
  Block first(static_cast<size_t>(*most)), second(static_cast<size_t>(*most));
  for (const Block* block : {&first, &second}) {
    ASSERT_TRUE(lent->set_device_memory(block->data, block->bytes).ok());
    for (const Tensor& image : images) {
      EXPECT_EQ(run_once(*lent, image, "upscaled"), run_once(*own, image, "upscaled"));
      EXPECT_LE(*lent->device_memory_size(), *most);
    }
  }
  // Nothing but what it was given: the first block may go away.
  std::memset(first.data, 0xFF, first.bytes);
  EXPECT_EQ(run_once(*lent, images[0], "upscaled"), run_once(*own, images[0], "upscaled"));
  ASSERT_TRUE(lent->set_device_memory(nullptr, 0).ok());
  EXPECT_EQ(run_once(*lent, images[1], "upscaled"), run_once(*own, images[1], "upscaled"));
}

TEST(DeviceMemory, TooLittleOrUnalignedIsAnError) {
  const Engine engine = upscale_between({1, 3, 8, 8}, {1, 3, 16, 16}, {1, 3, 24, 24});
  Result<Session> session = engine.open();
  Block block(4096);
  Status s = session->set_device_memory(static_cast<char*>(block.data) + 64, 1024);
  EXPECT_EQ(s.code(), Code::InvalidInput);
  ASSERT_TRUE(session->set_device_memory(block.data, block.bytes).ok());
  ASSERT_TRUE(session->set_input("image", wave({1, 3, 24, 24})).ok());
  s = session->run();
  EXPECT_EQ(s.code(), Code::InvalidInput);
  EXPECT_TRUE(s.message().starts_with("device memory: 4096 bytes are given, ")) << s.message();
  ASSERT_TRUE(session->set_device_memory(nullptr, 0).ok());
  EXPECT_TRUE(session->run().ok());
}

// Bytes of the file that the process holds in memory.
int64_t resident_bytes(const std::string& path) {
  std::ifstream maps("/proc/self/smaps");
  int64_t bytes = 0;
  bool here = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find(" /") != std::string::npos) here = line.ends_with(path);
    if (here && line.starts_with("Rss:")) bytes += 1024 * std::atoll(line.c_str() + 4);
  }
  return bytes;
}

TEST(Weights, LeaveTheMappedFileOnceTheyArePacked) {
  constexpr int kLayers = 6;
  constexpr int64_t kWidth = 1024;
  Network net;
  Network::Value x = *net.add_input("image", Type::F32, {{1, ""}, {kWidth, ""}});
  for (int k = 0; k < kLayers; ++k) {
    const auto w = *net.add_constant("w" + std::to_string(k), wave({kWidth, kWidth}, k));
    const auto b = *net.add_constant("b" + std::to_string(k), wave({kWidth}, k));
    x = net.result(*net.add("MatMul", {x, w, b}));
    x = net.result(*net.add_onnx("Tanh", {x}));
  }
  ASSERT_TRUE(net.mark_output(x, "y").ok());
  const std::string path = ::testing::TempDir() + "/weights.engine";
  Result<Engine> built = Engine::build(*net.finish(), quick_options());
  ASSERT_TRUE(built.ok()) << built.status().message();
  ASSERT_TRUE(built->save(path).ok());
  const Result<Engine> engine = Engine::load(path);
  ASSERT_TRUE(engine.ok()) << engine.status().message();
  Result<Session> session = engine->open();
  const std::vector<std::byte> first = run_once(*session, wave({1, kWidth}), "y");
  EXPECT_EQ(run_once(*session, wave({1, kWidth}), "y"), first);
  EXPECT_GE(session->memory().weights, kLayers * kWidth * kWidth * 4);
  // Biases and the plan are read where they are, with what the system maps around them.
  EXPECT_LE(resident_bytes(path), 5 << 20);
  std::remove(path.c_str());
}

TEST(Streams, MeanNothingToACpuEngine) {
  const Engine engine = demo_engine("digits.onnx");
  Result<Session> session = engine.open();
  EXPECT_EQ(session->set_stream(nullptr).code(), Code::InvalidInput);
  ASSERT_TRUE(session->set_input("image", wave({1, 1, 8, 8})).ok());
  ASSERT_TRUE(session->enqueue().ok());
  ASSERT_TRUE(session->wait().ok());
  EXPECT_TRUE(session->output("logits").ok());
}

}  // namespace
}  // namespace lathe::testing
