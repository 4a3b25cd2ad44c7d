// SPDX-License-Identifier: Apache-2.0
// What the reference is asked for of a large operation, and how near a candidate must come that may
// round its operands to TF32.
#include <gtest/gtest.h>

#include <bit>

#include "ops/op_common.h"
#include "tuner/test_data.h"

namespace lathe {
namespace {

OpInstance product(DType type) {
  Result<Inferred> op =
      infer(*find_op("MatMul"), {{type, Shape{32, 4}}, {type, Shape{4, 32}}}, Attrs());
  LATHE_CHECK(op.ok());
  return op->op;
}

// With so many bits behind the point, rounded to nearest.
HostTensor rounded(const HostTensor& t, int kept) {
  HostTensor out = t;
  const int drop = 23 - kept;
  for (int64_t i = 0; i < t.elements(); ++i) {
    const auto bits = std::bit_cast<uint32_t>(static_cast<float>(t.get_f64(i)));
    out.set_f64(i, std::bit_cast<float>((bits + (1u << (drop - 1))) >> drop << drop));
  }
  return out;
}

// The product of operands with so many bits against the reference, as a candidate of this config.
Status compare(int bits, const Config& config) {
  const OpInstance op = product(DType::F32);
  const std::vector<HostTensor> inputs = *make_inputs(op, {}, 3);
  const Expectation expected = *Expectation::make(op, inputs, 3, true);
  const HostTensor narrow[] = {rounded(inputs[0], bits), rounded(inputs[1], bits)};
  Certificate certificate;
  return expected.compare(op, *run_reference(op, narrow), certificate,
                          operand_roundoff(op, config));
}

OpInstance convolution() {
  Result<Inferred> op = infer(
      *find_op("Conv"), {{DType::F32, Shape{2, 16, 45, 51}}, {DType::F32, Shape{19, 16, 3, 3}}},
      Attrs()
          .set("strides", Ints{1, 1})
          .set("dilations", Ints{1, 1})
          .set("pads", Ints{1, 1, 1, 1}));
  LATHE_CHECK(op.ok());
  return op->op;
}
OpInstance large_product() {
  Result<Inferred> op = infer(
      *find_op("MatMul"), {{DType::F32, Shape{333, 100}}, {DType::F32, Shape{100, 257}}}, Attrs());
  LATHE_CHECK(op.ok());
  return op->op;
}
OpInstance large_sum() {
  const TensorType x{DType::F32, Shape{3, 2, 130, 131}};
  Result<Inferred> op = infer(*find_op("Pointwise"), {x, x},
                              Attrs().set("expr", *Expr::parse("(a:f32, b:f32) -> add(a, b)")));
  LATHE_CHECK(op.ok());
  return op->op;
}

// Large operations are compared on boxes; what a kernel gets wrong at the end of its blocks is
// among them, wherever blocks end together.
class SampledBoxes : public testing::TestWithParam<OpInstance (*)()> {
 protected:
  SampledBoxes()
      : op(GetParam()()),
        inputs(*make_inputs(op, {}, 7)),
        right(*run_reference(op, inputs)),
        expected(*Expectation::make(op, inputs, 7, false)) {}

  // Whether it is noticed that the elements of this box hold their right neighbours' values.
  bool notices(const Box& wrong) const {
    std::vector<HostTensor> out = right;
    const Shape& shape = out[0].shape();
    for_each(wrong, [&](const int64_t* c, int64_t) {
      int64_t at = 0;
      for (int d = 0; d < shape.rank(); ++d) at = at * shape[d].value() + c[d];
      out[0].set_f64(at, right[0].get_f64((at + 1) % right[0].elements()));
    });
    Certificate certificate;
    return !expected.compare(op, out, certificate).ok();
  }
  Status all_right(Certificate& certificate) const {
    return expected.compare(op, right, certificate);
  }

  OpInstance op;
  std::vector<HostTensor> inputs, right;
  Expectation expected;
};

TEST_P(SampledBoxes, AreFew) {
  Certificate certificate;
  EXPECT_TRUE(all_right(certificate).ok());
  EXPECT_GT(certificate.elements, 100);
  EXPECT_LT(certificate.elements, right[0].elements() / 4);
}

TEST_P(SampledBoxes, HoldTheElementInEveryCorner) {
  const std::vector<int64_t> sizes = op.out[0].shape.sizes();
  const size_t rank = sizes.size(), first = rank > 3 ? rank - 3 : 0;
  for (unsigned corner = 0; corner < 1u << (rank - first); ++corner) {
    Box one = Box::whole(op.out[0].shape);
    for (size_t d = first; d < rank; ++d) {
      one.begin[d] = (corner >> (d - first) & 1) != 0 ? sizes[d] - 1 : 0;
      one.end[d] = one.begin[d] + 1;
    }
    EXPECT_TRUE(notices(one)) << "corner " << corner;
  }
}

TEST_P(SampledBoxes, HoldPartOfEveryFirstAndLastSlice) {
  const std::vector<int64_t> sizes = op.out[0].shape.sizes();
  for (size_t d = 0; d < sizes.size(); ++d) {
    for (const int64_t at : {int64_t{0}, sizes[d] - 1}) {
      Box slice = Box::whole(op.out[0].shape);
      slice.begin[d] = at;
      slice.end[d] = at + 1;
      EXPECT_TRUE(notices(slice)) << "dimension " << d << " at " << at;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Operators, SampledBoxes,
                         testing::Values(convolution, large_product, large_sum));

TEST(Tf32, IsAllowedToTheConfigThatSaysSo) {
  EXPECT_TRUE(compare(10, "candidate=2 tf32=1").ok());
  EXPECT_FALSE(compare(10, "candidate=2").ok());
  EXPECT_FALSE(compare(10, "").ok());
}

TEST(Tf32, IsNoExcuseForLess) { EXPECT_FALSE(compare(4, "tf32=1").ok()); }

TEST(Tf32, MeansNothingToOtherTypesAndOperators) {
  EXPECT_GT(operand_roundoff(product(DType::F32), "tf32=1"), 0);
  EXPECT_EQ(operand_roundoff(product(DType::F64), "tf32=1"), 0);
  Result<Inferred> softmax =
      infer(*find_op("Softmax"), {{DType::F32, Shape{4, 4}}}, Attrs().set("axis", int64_t{1}));
  ASSERT_TRUE(softmax.ok()) << softmax.status().message();
  EXPECT_EQ(operand_roundoff(softmax->op, "tf32=1"), 0);
}

TEST(Tf32, IsAWordOfTheConfig) {
  EXPECT_TRUE(allows_tf32("tf32=1"));
  EXPECT_TRUE(allows_tf32("candidate=1 tf32=1 split=2"));
  EXPECT_FALSE(allows_tf32("tf32=10"));
  EXPECT_FALSE(allows_tf32("notf32=1"));
  EXPECT_FALSE(allows_tf32("tf32=0"));
}

}  // namespace
}  // namespace lathe
