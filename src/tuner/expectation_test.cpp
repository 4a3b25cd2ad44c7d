// SPDX-License-Identifier: Apache-2.0
// How near a candidate must come that may round its operands to TF32.
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
