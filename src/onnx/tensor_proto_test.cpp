// SPDX-License-Identifier: Apache-2.0
#include "onnx/tensor_proto.h"

#include <gtest/gtest.h>

#include "onnx/onnx.pb.h"

namespace lathe {
namespace {

std::span<const std::byte> bytes_of(const std::string& s) {
  return std::as_bytes(std::span<const char>(s));
}

Result<HostTensor> read(const lathe_onnx::TensorProto& p) {
  return read_tensor_proto(bytes_of(p.SerializeAsString()));
}

lathe_onnx::TensorProto proto(int type, const std::vector<int64_t>& sizes) {
  lathe_onnx::TensorProto p;
  p.set_data_type(type);
  for (int64_t s : sizes) p.add_dims(s);
  return p;
}

TEST(TensorProto, EveryTypeSurvivesWritingAndReading) {
  for (int type = 1; type <= 26; ++type) {
    const DType dtype = *dtype_from_onnx(type);
    if (dtype == DType::String) continue;
    HostTensor t = *HostTensor::zeros({dtype, {3, 5}});
    for (std::byte& b : t.mutable_bytes()) b = std::byte{1};
    const std::string written = write_tensor_proto(t, "t");
    Result<NamedTensor> back = read_named_tensor_proto(bytes_of(written));
    ASSERT_TRUE(back.ok()) << to_string(dtype) << back.status().message();
    EXPECT_EQ(back->value, t) << to_string(dtype);
    EXPECT_EQ(back->name, "t");
  }
}

TEST(TensorProto, StringsSurviveWritingAndReading) {
  const HostTensor t = HostTensor::strings({2}, {"a", std::string("\0b", 2)});
  EXPECT_EQ(*read_tensor_proto(bytes_of(write_tensor_proto(t))), t);
}

TEST(TensorProto, TypedFieldsAreRead) {
  auto p = proto(10, {2});  // FLOAT16, bits in int32_data
  p.add_int32_data(0x3c00);
  p.add_int32_data(0xc000);
  EXPECT_EQ(read(p)->to_f64(), (std::vector<double>{1, -2}));
  auto u = proto(12, {1});  // UINT32 in uint64_data
  u.add_uint64_data(4000000000u);
  EXPECT_EQ(read(u)->to_i64(), (std::vector<int64_t>{4000000000}));
  auto b = proto(9, {2});
  b.add_int32_data(7);
  b.add_int32_data(0);
  EXPECT_EQ(read(b)->to_i64(), (std::vector<int64_t>{1, 0}));
}

TEST(TensorProto, FourBitElementsArePackedTwoInAByte) {
  auto p = proto(21, {3});  // UINT4
  p.add_int32_data(0x21);
  p.add_int32_data(0x03);
  Result<HostTensor> t = read(p);
  ASSERT_TRUE(t.ok()) << t.status().message();
  EXPECT_EQ(t->bytes()[0], std::byte{0x21});
  EXPECT_EQ(t->bytes().size(), 2u);
}

TEST(TensorProto, WrongLengthsAreRefused) {
  auto raw = proto(1, {4});
  raw.set_raw_data(std::string(15, 'x'));
  EXPECT_EQ(read(raw).status().message(), "tensor '': f32[4] takes 16 bytes, not 15");
  auto field = proto(1, {4});
  field.add_float_data(1);
  EXPECT_EQ(read(field).status().message(), "tensor '': 1 values for f32[4], which takes 4");
  auto two = proto(1, {1});
  two.add_float_data(1);
  two.set_raw_data(std::string(4, 'x'));
  EXPECT_FALSE(read(two).ok());
}

TEST(TensorProto, DimensionsThatOverflowAreRefused) {
  EXPECT_FALSE(read(proto(1, {int64_t{1} << 62, 4})).ok());
  EXPECT_FALSE(read(proto(1, {-1})).ok());
  EXPECT_FALSE(read(proto(1, std::vector<int64_t>(1000, 1))).ok());
  EXPECT_FALSE(read(proto(99, {1})).ok());
}

TEST(TensorProto, EveryPrefixIsRefusedOrReadsWhole) {
  const std::string whole = write_tensor_proto(HostTensor::of<float>({2}, {1, 2}), "name");
  for (size_t n = 0; n < whole.size(); ++n) {
    EXPECT_FALSE(read_tensor_proto(bytes_of(whole.substr(0, n))).ok()) << n;
  }
}

TEST(TensorProto, DataInOtherFilesIsRefusedWithoutAFolder) {
  auto p = proto(1, {1});
  p.set_data_location(1);
  EXPECT_FALSE(read(p).ok());
}

}  // namespace
}  // namespace lathe
