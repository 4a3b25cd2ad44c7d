// SPDX-License-Identifier: Apache-2.0
#include "tensor/dtype.h"

#include <gtest/gtest.h>

namespace lathe {
namespace {

constexpr DType kAll[] = {
#define DTYPE(name, text, bits, kind, onnx) DType::name,
#include "tensor/dtypes.def"
#undef DTYPE
};

TEST(DType, TextAndOnnxCodesRoundTrip) {
  for (DType t : kAll) {
    ASSERT_TRUE(parse_dtype(to_string(t)).ok());
    EXPECT_EQ(*parse_dtype(to_string(t)), t);
    if (t == DType::None) continue;
    ASSERT_TRUE(dtype_from_onnx(onnx_code(t)).ok());
    EXPECT_EQ(*dtype_from_onnx(onnx_code(t)), t);
  }
  EXPECT_FALSE(parse_dtype("f33").ok());
  EXPECT_FALSE(dtype_from_onnx(0).ok());
  EXPECT_FALSE(dtype_from_onnx(-1).ok());
  EXPECT_FALSE(dtype_from_onnx(1000).ok());
}

TEST(DType, SizesArePacked) {
  EXPECT_EQ(bytes(DType::F32, 3), 12);
  EXPECT_EQ(bytes(DType::C128, 2), 32);
  EXPECT_EQ(bytes(DType::I4, 3), 2);
  EXPECT_EQ(bytes(DType::U2, 5), 2);
  EXPECT_EQ(bytes(DType::F4E2M1, 0), 0);
  EXPECT_EQ(bytes(DType::Bool, 7), 7);
}

TEST(DType, ComputableTypesAreTheirCppTypes) {
  for (DType t : kAll) {
    if (!is_computable(t)) continue;
    EXPECT_EQ(visit_number(t, []<class T>() { return dtype_of<T>(); }), t) << to_string(t);
    EXPECT_EQ(visit_number(t, []<class T>() { return sizeof(T); }) * 8,
              static_cast<size_t>(bits(t)));
  }
  for (DType t : {DType::None, DType::String, DType::C64, DType::F8E5M2, DType::I4}) {
    EXPECT_FALSE(is_computable(t)) << to_string(t);
  }
}

}  // namespace
}  // namespace lathe
