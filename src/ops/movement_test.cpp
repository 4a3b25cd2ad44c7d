// SPDX-License-Identifier: Apache-2.0
// What the cases cannot say of data movement: known contents pass through it, and which facts are
// proved, refuted, or left to be checked at run time; element types that are only stored.
#include "ops/movement.h"

#include <gtest/gtest.h>

namespace lathe {
namespace {

using Known = std::vector<std::optional<Contents>>;
const Dim N = Dim::symbol("N"), M = Dim::symbol("M");

Attrs attrs(std::string_view op, std::string_view text) {
  Result<Attrs> a = Attrs::parse(text, find_op(op)->attrs);
  EXPECT_TRUE(a.ok()) << a.status().message();
  return *a;
}

Inferred inferred(std::string_view op, std::string_view text, std::vector<std::string_view> types,
                  const Known& known = {}) {
  std::vector<TensorType> in;
  for (std::string_view t : types) in.push_back(*TensorType::parse(t));
  Result<Inferred> r = infer(*find_op(op), in, attrs(op, text), known);
  EXPECT_TRUE(r.ok()) << r.status().message();
  return r.ok() ? *std::move(r) : Inferred{.op = {}, .contents = {std::nullopt}, .constraints = {}};
}

HostTensor moved(std::string_view op, std::string_view text, std::vector<HostTensor> in) {
  std::vector<TensorType> types;
  for (const HostTensor& t : in) types.push_back(t.type());
  Result<Inferred> r = infer(*find_op(op), types, attrs(op, text));
  EXPECT_TRUE(r.ok()) << r.status().message();
  Result<std::vector<HostTensor>> out = run_reference(r->op, in);
  EXPECT_TRUE(out.ok()) << out.status().message();
  return (*out)[0];
}

TEST(KnownContents, PassThroughAReshape) {
  Inferred r = inferred("Reshape", "{shape=[2, 1]}", {"i64[2]"}, {Contents{N, 3}});
  EXPECT_EQ(r.contents[0], (Contents{N, 3}));
}

TEST(KnownContents, PassThroughATranspose) {
  Inferred r = inferred("Transpose", "{perm=[1, 0]}", {"i64[2,2]"}, {Contents{N, 1, 2, 3}});
  EXPECT_EQ(r.contents[0], (Contents{N, 2, 1, 3}));
}

TEST(KnownContents, AreCutByASlice) {
  Inferred r = inferred("Slice", "{axes=[0], starts=[2], sizes=[2], steps=[-2]}", {"i64[3]"},
                        {Contents{N, 1, M}});
  EXPECT_EQ(r.contents[0], (Contents{M, N}));
}

TEST(KnownContents, AreNotGuessedWhereTheSliceIsSymbolic) {
  Inferred r = inferred("Slice", "{axes=[0], starts=[N], sizes=[1], steps=[1]}", {"i64[3]"},
                        {Contents{N, 1, M}});
  EXPECT_FALSE(r.contents[0].has_value());
}

TEST(KnownContents, AreJoinedByAConcat) {
  Inferred r = inferred("Concat", "{axis=0}", {"i64[1]", "i64[2]"}, {Contents{N}, Contents{3, M}});
  EXPECT_EQ(r.contents[0], (Contents{N, 3, M}));
}

TEST(KnownContents, EndWhereOneOperandOfAConcatIsUnknown) {
  Inferred r = inferred("Concat", "{axis=0}", {"i64[1]", "i64[2]"}, {Contents{N}, std::nullopt});
  EXPECT_FALSE(r.contents[0].has_value());
}

TEST(KnownContents, AreChosenByAGather) {
  Inferred r =
      inferred("Gather", "{axis=0}", {"i64[3]", "i64[2]"}, {Contents{N, 1, M}, Contents{-1, 0}});
  EXPECT_EQ(r.contents[0], (Contents{M, N}));
  Inferred scalar =
      inferred("Gather", "{axis=0}", {"i64[3]", "i64[]"}, {Contents{N, 1, M}, Contents{2}});
  EXPECT_EQ(scalar.contents[0], (Contents{M}));
}

TEST(KnownContents, AreRepeatedByExpandAndTile) {
  Inferred e = inferred("Expand", "{shape=[2, 2]}", {"i64[2]"}, {Contents{N, 1}});
  EXPECT_EQ(e.contents[0], (Contents{N, 1, N, 1}));
  Inferred t = inferred("Tile", "{repeats=[2]}", {"i64[2]"}, {Contents{N, 1}});
  EXPECT_EQ(t.contents[0], (Contents{N, 1, N, 1}));
}

TEST(KnownContents, AreZeroOutsideATriangle) {
  Inferred r = inferred("Trilu", "{upper=0}", {"i64[2,2]"}, {Contents{N, 1, 2, M}});
  EXPECT_EQ(r.contents[0], (Contents{N, 0, 2, M}));
}

TEST(KnownContents, OfAnIotaAreItsElements) {
  Inferred r = inferred("Iota", "{start=i64[] {5}, step=i64[] {-2}, count=[3]}", {});
  EXPECT_EQ(r.contents[0], (Contents{5, 3, 1}));
  Inferred symbolic = inferred("Iota", "{start=i64[] {5}, step=i64[] {-2}, count=[N]}", {});
  EXPECT_FALSE(symbolic.contents[0].has_value());
}

TEST(KnownContents, AreNotTrackedBeyondTheirLimit) {
  Inferred r = inferred("Tile", "{repeats=[1025]}", {"i64[1]"}, {Contents{N}});
  EXPECT_FALSE(r.contents[0].has_value());
}

TEST(Proofs, AReshapeOfEqualProductsNeedsNoCheck) {
  EXPECT_TRUE(inferred("Reshape", "{shape=[N, 768]}", {"f32[N,12,64]"}).constraints.empty());
  EXPECT_TRUE(inferred("Reshape", "{shape=[N*M, 6]}", {"f32[N,2,M,3]"}).constraints.empty());
}

TEST(Proofs, AReshapeThatMayBeWrongIsCheckedAtRunTime) {
  Inferred r = inferred("Reshape", "{shape=[M, 2]}", {"f32[N,6]"});
  ASSERT_EQ(r.constraints.size(), 1u);
  EXPECT_TRUE(r.constraints[0].check({{"N", 2}, {"M", 6}}).ok());
  EXPECT_FALSE(r.constraints[0].check({{"N", 2}, {"M", 5}}).ok());
}

TEST(Proofs, ASliceInsideForEverySizeNeedsNoCheck) {
  std::string_view whole = "{axes=[0], starts=[0], sizes=[N], steps=[1]}";
  EXPECT_TRUE(inferred("Slice", whole, {"f32[N]"}).constraints.empty());
  std::string_view back = "{axes=[0], starts=[N - 1], sizes=[N], steps=[-1]}";
  EXPECT_TRUE(inferred("Slice", back, {"f32[N]"}).constraints.empty());
}

TEST(Proofs, AnExpandFromOneNeedsNoCheckAndFromASymbolDoes) {
  EXPECT_TRUE(inferred("Expand", "{shape=[N, M]}", {"f32[1,M]"}).constraints.empty());
  Inferred r = inferred("Expand", "{shape=[M]}", {"f32[N]"});
  ASSERT_EQ(r.constraints.size(), 1u);
  EXPECT_TRUE(r.constraints[0].check({{"N", 1}, {"M", 4}}).ok());
  EXPECT_TRUE(r.constraints[0].check({{"N", 4}, {"M", 4}}).ok());
  EXPECT_FALSE(r.constraints[0].check({{"N", 4}, {"M", 1}}).ok());
}

TEST(Proofs, AConcatPrefersTheSizeThatIsKnown) {
  Inferred r = inferred("Concat", "{axis=1}", {"f32[N,1]", "f32[2,M]"});
  EXPECT_EQ(r.op.out[0].to_string(), "f32[2,M + 1]");
  EXPECT_EQ(r.constraints.size(), 1u);
}

TEST(StoredTypes, StringsAreMoved) {
  HostTensor x = HostTensor::strings({2}, {"a", "b"});
  HostTensor i = HostTensor::of<int64_t>({3}, {1, 0, -1});
  EXPECT_EQ(moved("Gather", "{}", {x, i}), HostTensor::strings({3}, {"b", "a", "b"}));
  EXPECT_EQ(moved("Pad", "{before=[1], after=[0]}", {x}), HostTensor::strings({3}, {"", "a", "b"}));
  EXPECT_EQ(moved("Concat", "{axis=0}", {x, x}), HostTensor::strings({4}, {"a", "b", "a", "b"}));
}

TEST(StoredTypes, PackedElementsAreMoved) {
  HostTensor x = *HostTensor::parse("i4[5] {1, 2, 3, -4, -5}");
  HostTensor i = HostTensor::of<int64_t>({3}, {4, 3, 1});
  EXPECT_EQ(moved("Gather", "{}", {x, i}).to_string(), "i4[3] {-5, -4, 2}");
  HostTensor c = *HostTensor::parse("c64[1,2] {(1, 2), (3, 4)}");
  EXPECT_EQ(moved("Transpose", "{perm=[1, 0]}", {c}).to_string(), "c64[2,1] {(1, 2), (3, 4)}");
}

TEST(Scatter, MagnitudeIsTheSumOfTermsWhereAnUpdateHits) {
  std::vector<HostTensor> in = {HostTensor::of<float>({2}, {-1, 5}),
                                HostTensor::of<int64_t>({2, 1}, {0, 0}),
                                HostTensor::of<float>({2}, {3, -4})};
  std::vector<TensorType> types = {in[0].type(), in[1].type(), in[2].type()};
  Inferred r = *infer(*find_op("ScatterND"), types, attrs("ScatterND", "{reduction=add}"));
  BoxResult part = *run_reference_box(r.op, in, Box::whole(in[0].shape()));
  EXPECT_EQ(part.value.to_f64(), (std::vector<double>{-2, 5}));
  EXPECT_EQ(part.magnitude.to_f64(), (std::vector<double>{8, 0}));
}

}  // namespace
}  // namespace lathe
