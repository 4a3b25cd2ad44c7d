// SPDX-License-Identifier: Apache-2.0
#include "tensor/host_tensor.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "base/random.h"

namespace lathe {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

constexpr DType kAll[] = {
#define DTYPE(name, text, bits, kind, onnx) DType::name,
#include "tensor/dtypes.def"
#undef DTYPE
};

bool has_bytes(DType t) { return t != DType::None && t != DType::String; }

// Random bytes that the type may hold.
HostTensor random_tensor(DType t, const Shape& shape, uint64_t seed) {
  HostTensor x = *HostTensor::make({t, shape});
  Random(seed).fill_bytes(x.mutable_bytes());
  if (t == DType::Bool) {
    for (std::byte& b : x.mutable_bytes()) b &= std::byte{1};
  }
  // The unused bits of the last byte are zero, as parsing leaves them.
  int64_t used = x.elements() * bits(t) % 8;
  if (used != 0) x.mutable_bytes().back() &= static_cast<std::byte>((1 << used) - 1);
  return x;
}

TEST(HostTensor, HoldsWhatItWasGiven) {
  HostTensor t = HostTensor::of<float>({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(t.span<float>()[3], 4);
  EXPECT_EQ(t.elements(), 4);
  EXPECT_EQ(t.type(), (TensorType{DType::F32, {2, 2}}));
  EXPECT_EQ(HostTensor::scalar<int64_t>(7).get_i64(0), 7);
  EXPECT_TRUE(HostTensor().empty());
  EXPECT_EQ(HostTensor::zeros({DType::F16, {3}})->to_f64(), (std::vector<double>{0, 0, 0}));
}

TEST(HostTensor, CopiesShareUntilOneIsWritten) {
  HostTensor a = HostTensor::of<int32_t>({2}, {1, 2});
  HostTensor b = a;
  EXPECT_EQ(a.bytes().data(), b.bytes().data());
  b.set_i64(0, 9);
  EXPECT_EQ(a.get_i64(0), 1);
  EXPECT_EQ(b.get_i64(0), 9);
  EXPECT_FALSE(a == b);
}

TEST(HostTensor, ViewsBorrowAndNeverWriteWhatTheyBorrow) {
  alignas(8) std::array<float, 2> memory = {1, 2};
  HostTensor v = *HostTensor::view({DType::F32, {2}}, std::as_bytes(std::span(memory)), nullptr);
  EXPECT_EQ(static_cast<const void*>(v.bytes().data()), memory.data());
  v.set_f64(0, 5);
  EXPECT_EQ(memory[0], 1);
  EXPECT_EQ(v.get_f64(0), 5);
  EXPECT_FALSE(HostTensor::view({DType::F32, {3}}, std::as_bytes(std::span(memory)), nullptr).ok());
}

TEST(HostTensor, ViewsOfMisalignedMemoryAndStrangeBoolsAreCopies) {
  alignas(8) std::array<std::byte, 12> memory = {};
  memory[1] = std::byte{7};
  std::span<const std::byte> odd = std::span(memory).subspan(1, 8);
  HostTensor v = *HostTensor::view({DType::I32, {2}}, odd, nullptr);
  EXPECT_NE(v.bytes().data(), odd.data());
  EXPECT_EQ(v.span<int32_t>()[0], 7);
  HostTensor b = *HostTensor::view({DType::Bool, {8}}, odd, nullptr);
  EXPECT_EQ(b.bytes()[0], std::byte{1});
  EXPECT_EQ(b.bytes()[1], std::byte{0});
}

TEST(HostTensor, RefusesSizesThatCannotBe) {
  EXPECT_FALSE(HostTensor::make({DType::F32, {int64_t{1} << 61}}).ok());
  EXPECT_FALSE(HostTensor::make({DType::String, {int64_t{1} << 61}}).ok());
  EXPECT_FALSE(HostTensor::make({DType::F32, {Dim::symbol("N")}}).ok());
  EXPECT_FALSE(HostTensor::make({}).ok());
  EXPECT_EQ(HostTensor::make({DType::U8, {int64_t{1} << 55}}).status().code(), Code::OutOfMemory);
}

TEST(HostTensor, StoresRoundedAndSaturated) {
  HostTensor i8 = *HostTensor::zeros({DType::I8, {6}});
  const double given[] = {300, -300, 2.5, 3.5, kNan, -kInfinity};
  for (int i = 0; i < 6; ++i) i8.set_f64(i, given[i]);
  EXPECT_EQ(i8.to_i64(), (std::vector<int64_t>{127, -128, 2, 4, 0, -128}));

  HostTensor u64 = *HostTensor::zeros({DType::U64, {2}});
  u64.set_f64(0, 1e30);
  u64.set_i64(1, -1);
  EXPECT_EQ(u64.span<uint64_t>()[0], std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(u64.get_i64(0), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(u64.get_i64(1), 0);

  HostTensor flag = *HostTensor::zeros({DType::Bool, {2}});
  flag.set_f64(0, 0.25);
  EXPECT_EQ(flag.to_i64(), (std::vector<int64_t>{1, 0}));

  HostTensor f = HostTensor::of<float>({3}, {-1.9f, 1e30f, std::nanf("")});
  EXPECT_EQ(f.to_i64(), (std::vector<int64_t>{-1, std::numeric_limits<int64_t>::max(), 0}));
}

TEST(HostTensor, PacksSmallElementsLowBitsFirst) {
  HostTensor t = *HostTensor::zeros({DType::I4, {3}});
  t.set_i64(0, 1);
  t.set_i64(1, -2);
  t.set_i64(2, 100);
  EXPECT_EQ(t.bytes()[0], std::byte{0xe1});
  EXPECT_EQ(t.bytes()[1], std::byte{0x07});
  EXPECT_EQ(t.to_i64(), (std::vector<int64_t>{1, -2, 7}));
  HostTensor f = *HostTensor::zeros({DType::F4E2M1, {2}});
  f.set_f64(1, -6);
  EXPECT_EQ(f.bytes()[0], std::byte{0xf0});
  EXPECT_EQ(f.get_f64(1), -6);
}

TEST(HostTensor, EveryTypeRoundTripsThroughText) {
  for (DType t : kAll) {
    if (!has_bytes(t)) continue;
    for (const Shape& shape : {Shape{}, Shape{0}, Shape{37}, Shape{3, 5}}) {
      HostTensor x = random_tensor(t, shape, static_cast<uint64_t>(t));
      Result<HostTensor> back = HostTensor::parse(x.to_string(true));
      ASSERT_TRUE(back.ok()) << x.to_string(true) << "\n" << back.status().message();
      EXPECT_TRUE(*back == x) << x.to_string(true) << "\n" << back->to_string(true);
      EXPECT_EQ(back->hash(), x.hash());
    }
  }
}

TEST(HostTensor, EveryHalfRoundTripsThroughText) {
  for (DType t : {DType::F16, DType::BF16}) {
    HostTensor x = *HostTensor::make({t, {65536}});
    auto* bits = reinterpret_cast<uint16_t*>(x.mutable_bytes().data());
    for (size_t i = 0; i < 65536; ++i) bits[i] = static_cast<uint16_t>(i);
    EXPECT_TRUE(*HostTensor::parse(x.to_string(true)) == x);
  }
}

TEST(HostTensor, StringsAndLayoutsRoundTripThroughText) {
  HostTensor s = HostTensor::strings({2, 2}, {"a, b}", "\"\\\n", "", std::string("\0\xff", 2)});
  EXPECT_EQ(s.to_string(true), R"(string[2,2] {"a, b}", "\"\\\x0a", "", "\x00\xff"})");
  EXPECT_TRUE(*HostTensor::parse(s.to_string(true)) == s);
  HostTensor c = *HostTensor::zeros({DType::F32, {1, 3, 1, 2}, Layout::Blocked16});
  c.mutable_span<float>()[4] = 2;
  EXPECT_TRUE(*HostTensor::parse(c.to_string(true)) == c);
  EXPECT_TRUE(HostTensor::parse(HostTensor().to_string())->empty());
}

TEST(HostTensor, PrintsShortAndExact) {
  EXPECT_EQ(HostTensor::of<float>({2}, {1, 0.1f}).to_string(), "f32[2] {1, 0.1}");
  EXPECT_EQ(HostTensor::scalar<bool>(true).to_string(), "bool[] {true}");
  EXPECT_EQ(HostTensor::zeros({DType::I8, {17}})->to_string(),
            "i8[17] {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...}");
}

TEST(HostTensor, RefusesTextThatIsWrong) {
  for (const char* bad : {"",
                          "f32[2]",
                          "f32[2] {1}",
                          "f32[2] {1, 2",
                          "f32[2] {1, 2, 3}",
                          "f32[1] {x}",
                          "f32[1] {1} 2",
                          "i8[1] {128}",
                          "i8[1] {1.5}",
                          "u8[1] {-1}",
                          "bool[1] {1}",
                          "u4[1] {16}",
                          "f16[1] {nan:12345}",
                          "f32[1] {nan:}",
                          "string[1] {a}",
                          "string[1] {\"a}",
                          "string[1] {\"\\q\"}",
                          "c64[1] {1}",
                          "f32[N] {1}",
                          "f32[4611686018427387904] {1}",
                          "f32[1000000000] {1}",
                          "none[1] {1}"}) {
    EXPECT_FALSE(HostTensor::parse(bad).ok()) << bad;
  }
}

TEST(HostTensor, ReshapesWithoutCopying) {
  HostTensor t = HostTensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  HostTensor r = t.reshaped({3, 2});
  EXPECT_EQ(r.bytes().data(), t.bytes().data());
  EXPECT_EQ(r.shape(), (Shape{3, 2}));
  EXPECT_FALSE(r == t);
  EXPECT_NE(r.hash(), t.hash());
}

}  // namespace
}  // namespace lathe
