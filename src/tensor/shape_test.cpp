// SPDX-License-Identifier: Apache-2.0
#include "tensor/shape.h"

#include <gtest/gtest.h>

namespace lathe {
namespace {

const Dim n = Dim::symbol("N");
const Dim m = Dim::symbol("M");

TEST(Shape, EvaluatesToConstantsOrSaysWhyNot) {
  Shape s{n, 3, n * 2};
  EXPECT_FALSE(s.is_concrete());
  EXPECT_EQ(s.evaluate({{"N", 4}})->sizes(), (std::vector<int64_t>{4, 3, 8}));
  EXPECT_EQ(s.evaluate({{"N", 4}})->elements(), 96);
  EXPECT_EQ(s.count(), 6 * n * n);
  EXPECT_EQ((Shape{n - 2}).evaluate({{"N", 1}}).status().message(),
            "dimension 0 of [N - 2] is negative: -1");
  EXPECT_FALSE((Shape{n, n}).evaluate({{"N", int64_t{1} << 33}}).ok());
  EXPECT_TRUE((Shape{n, n, 0}).evaluate({{"N", int64_t{1} << 33}}).ok());
  EXPECT_FALSE(s.evaluate({}).ok());
}

TEST(Shape, BroadcastsAsNumPy) {
  std::vector<std::pair<Dim, Dim>> unproved;
  EXPECT_EQ(*broadcast(Shape{4, 1, 3}, Shape{5, 1}, &unproved), (Shape{4, 5, 3}));
  EXPECT_EQ(*broadcast(Shape{}, Shape{n}, &unproved), (Shape{n}));
  EXPECT_EQ(*broadcast(Shape{n, 1}, Shape{n, m}, &unproved), (Shape{n, m}));
  EXPECT_EQ(*broadcast(Shape{1}, Shape{0}, &unproved), (Shape{0}));
  EXPECT_TRUE(unproved.empty());
  EXPECT_EQ(broadcast(Shape{2, 3}, Shape{4}, &unproved).status().message(),
            "shapes [2,3] and [4]: dimensions 3 and 4 cannot be broadcast");
}

TEST(Shape, BroadcastNotesWhatItCannotProve) {
  std::vector<std::pair<Dim, Dim>> unproved;
  Shape s = *broadcast(Shape{n, 2}, Shape{m, n}, &unproved);
  EXPECT_EQ(s, (Shape{Dim::broadcast(n, m), 2}));
  ASSERT_EQ(unproved.size(), 2u);
  EXPECT_EQ(unproved[0], std::pair(n, m));
  EXPECT_EQ(unproved[1], std::pair(Dim(2), n));
  EXPECT_TRUE(broadcast(Shape{n}, Shape{m}, nullptr).ok());
}

TEST(TensorType, TextRoundTrips) {
  const TensorType types[] = {
      {},
      {DType::F32, {}},
      {DType::F32, {n, 3, 224, 224}},
      {DType::BF16, {Dim::floor_div(n - 1, 2) + 1, Dim::max(n, m)}, Layout::ChannelsLast},
      {DType::U4, {0}, Layout::Blocked16},
      {DType::F16, {12, n, 64}, Layout::TokensFirst},
      {DType::String, {2}},
  };
  for (const TensorType& t : types) {
    Result<TensorType> back = TensorType::parse(t.to_string());
    ASSERT_TRUE(back.ok()) << t.to_string() << ": " << back.status().message();
    EXPECT_EQ(*back, t) << t.to_string();
  }
  EXPECT_EQ(types[2].to_string(), "f32[N,3,224,224]");
  for (const char* bad : {"", "f32", "f32[", "f32]2[", "f33[2]", "f32[2]@", "f32[2]@nchw", "f32[,]",
                          "f32[2,]", "none[2]", "f32[2]x"}) {
    EXPECT_FALSE(TensorType::parse(bad).ok()) << bad;
  }
}

TEST(TensorType, StridesFollowTheLayout) {
  TensorType t{DType::F32, {2, 3, 4, 5}};
  EXPECT_EQ(strides(t), (std::vector<int64_t>{60, 20, 5, 1}));
  t.layout = Layout::ChannelsLast;
  EXPECT_EQ(strides(t), (std::vector<int64_t>{60, 1, 15, 3}));
  t.layout = Layout::TokensFirst;
  EXPECT_EQ(strides(t), (std::vector<int64_t>{60, 5, 15, 1}));
  EXPECT_EQ(strides({DType::F32, {}}), std::vector<int64_t>{});
}

TEST(TensorType, StorageIsCheckedAndCountsPadding) {
  EXPECT_EQ(*storage_bytes({DType::F32, {2, 3}}), 24);
  EXPECT_EQ(*storage_bytes({DType::F32, {2, 3, 4, 4}, Layout::Blocked16}), 2 * 16 * 16 * 4);
  EXPECT_EQ(*storage_bytes({DType::I4, {3}}), 2);
  EXPECT_EQ(*storage_bytes({DType::F32, {0, 7}}), 0);
  EXPECT_FALSE(storage_bytes({DType::F32, {n}}).ok());
  EXPECT_FALSE(storage_bytes({DType::F32, {-1}}).ok());
  EXPECT_FALSE(storage_bytes({DType::F64, {int64_t{1} << 60}}).ok());
  EXPECT_FALSE(storage_bytes({DType::U8, {int64_t{1} << 40, int64_t{1} << 40}}).ok());
  EXPECT_FALSE(storage_bytes({DType::U8, {int64_t{1} << 62, 8, 0}}).ok());
  EXPECT_FALSE(storage_bytes({DType::String, {1}}).ok());
}

TEST(Axis, IsNormalizedOrNamed) {
  EXPECT_EQ(*normalize_axis(-1, 3), 2);
  EXPECT_EQ(*normalize_axis(0, 3), 0);
  EXPECT_EQ(normalize_axis(5, 3).status().message(), "axis 5 is out of range for rank 3");
  EXPECT_FALSE(normalize_axis(-4, 3).ok());
  EXPECT_FALSE(normalize_axis(0, 0).ok());
}

}  // namespace
}  // namespace lathe
