// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/bf16_kernels.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "base/random.h"
#include "tensor/half.h"

namespace lathe::cpu {
namespace {

constexpr float kInfinity = HUGE_VALF, kScale = 0.70710678f;

double mul_sigmoid(double a, double b) { return a / (1 + std::exp(-b)); }
double gelu(double a, double b) { return a / 2 * std::erfc(-a * b); }

class Bf16Kernels : public testing::Test {
 protected:
  void SetUp() override {
    if (bf16_kernel(FloatOp::StoreBF16) == nullptr) GTEST_SKIP() << "the CPU has no BF16";
  }
};

std::vector<float> run(FloatOp op, const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<float> y(a.size(), NAN);
  std::vector<float> one(kSplatBytes / sizeof(float), b[0]);
  const Arg args[] = {{a.data(), 1}, b.size() == 1 ? Arg{one.data(), 0} : Arg{b.data(), 1}};
  bf16_kernel(op)(args, y.data(), y.size());
  return y;
}

// Both signs of every size that a rounded result tells from 0.
std::vector<float> samples() {
  std::vector<float> x;
  Random random(3);
  for (int i = 0; i < 100000; ++i) x.push_back(5 * random.normal());
  for (int i = 0; i < 100000; ++i) {
    const float v = std::exp(90 * random.uniform_float() - 80);
    x.push_back(i % 2 == 0 ? v : -v);
  }
  return x;
}

TEST_F(Bf16Kernels, ErrorsAreAQuarterOfTheRounding) {
  const std::vector<float> x = samples();
  const std::vector<float> silu = run(FloatOp::MulSigmoid, x, x),
                           g = run(FloatOp::Gelu, x, {kScale});
  for (size_t i = 0; i < x.size(); ++i) {
    const double s = mul_sigmoid(x[i], x[i]), e = gelu(x[i], kScale);
    ASSERT_NEAR(silu[i], s, 0x1p-11 * std::fabs(s) + 1e-35) << x[i];
    ASSERT_NEAR(g[i], e, 0x1p-11 * std::fabs(e) + 1e-6) << x[i];
  }
}

TEST_F(Bf16Kernels, EveryLengthIsWrittenAndNothingBehindIt) {
  for (size_t n = 1; n <= 70; ++n) {
    std::vector<float> a(n + 1, 1.5f), y(n + 1, -7);
    const Arg args[] = {{a.data(), 1}, {a.data(), 1}};
    bf16_kernel(FloatOp::MulSigmoid)(args, y.data(), n);
    std::vector<uint16_t> narrow(n + 1, 0xbeef);
    bf16_kernel(FloatOp::StoreBF16)(args, narrow.data(), n);
    for (size_t i = 0; i < n; ++i) {
      EXPECT_NEAR(y[i], mul_sigmoid(1.5, 1.5), 1e-3);
      EXPECT_EQ(narrow[i], float_to_bfloat16(1.5f));
    }
    EXPECT_EQ(y[n], -7);
    EXPECT_EQ(narrow[n], 0xbeef);
  }
}

TEST_F(Bf16Kernels, InfinitiesAndNanAreThoseOfTheExpressions) {
  const std::vector<float> x = {kInfinity, -kInfinity, NAN, -1000, 1000, 0};
  for (FloatOp op : {FloatOp::MulSigmoid, FloatOp::Gelu}) {
    const std::vector<float> y = op == FloatOp::Gelu ? run(op, x, {kScale}) : run(op, x, x);
    EXPECT_EQ(y[0], kInfinity);
    EXPECT_TRUE(std::isnan(y[1]));  // infinity times 0
    EXPECT_TRUE(std::isnan(y[2]));
    EXPECT_EQ(y[3], 0);
    EXPECT_NEAR(y[4], 1000, 0.1);
    EXPECT_EQ(y[5], 0);
  }
}

TEST_F(Bf16Kernels, StoringRoundsToNearestEven) {
  std::vector<float> x = {kInfinity, -kInfinity, NAN, 0, -0.0f, 3.4e38f, 1.00390625f, 1.01171875f};
  Random random(5);
  while (x.size() < 100000) x.push_back(std::bit_cast<float>(static_cast<uint32_t>(random.next())));
  std::vector<uint16_t> y(x.size());
  const Arg arg{x.data(), 1};
  bf16_kernel(FloatOp::StoreBF16)(&arg, y.data(), y.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const float got = std::bit_cast<float>(uint32_t{y[i]} << 16);
    if (std::isnan(x[i])) {
      EXPECT_TRUE(std::isnan(got));
    } else if (std::fabs(x[i]) < 0x1p-126f) {
      EXPECT_EQ(got, 0);
    } else {
      ASSERT_EQ(y[i], float_to_bfloat16(x[i])) << x[i];
    }
  }
}

}  // namespace
}  // namespace lathe::cpu
