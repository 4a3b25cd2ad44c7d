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
  x.reserve(200000);
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

// One row in two blocks of keys, hidden ones among them.
TEST_F(Bf16Kernels, SoftmaxIsThatOfTheWholeRow) {
  Random random(9);
  for (int64_t n : {1, 15, 16, 33, 197}) {
    std::vector<float> scores, mask;
    scores.reserve(static_cast<size_t>(2 * n)), mask.reserve(static_cast<size_t>(2 * n));
    for (int64_t j = 0; j < 2 * n; ++j) {
      scores.push_back(30 * random.normal());
      mask.push_back(random.integer(0, 3) == 0 ? -kInfinity : random.normal());
    }
    mask[0] = 0;
    std::vector<double> want;
    want.reserve(static_cast<size_t>(2 * n));
    for (int64_t j = 0; j < 2 * n; ++j) want.push_back(scores[j] * 0.25 + mask[j]);
    ScoreRow row;
    row.scale = 0.25f, row.max = -kInfinity, row.n = n, row.padded = n + 3;
    std::vector<uint16_t> p(static_cast<size_t>(2 * n + 6), 0xbeef);
    float first_max = 0;
    for (int half : {0, 1}) {
      row.scores = scores.data() + half * n, row.mask = mask.data() + half * n;
      row.probabilities = p.data() + half * (n + 3);
      bf16_softmax()(row);
      if (half == 0) first_max = row.max;
    }
    double sum = 0;
    for (double v : want) sum += std::exp(v - row.max);
    EXPECT_NEAR(row.sum, sum, 2e-4 * sum);
    EXPECT_NEAR(row.rescale, std::exp(first_max - row.max), 1e-6);
    for (int64_t j = 0; j < 2 * n; ++j) {
      const double e = std::exp(want[j] - (j < n ? first_max : row.max));
      const float got = std::bit_cast<float>(uint32_t{p[j < n ? j : j + 3]} << 16);
      EXPECT_NEAR(got, e, 0x1p-8 * e + 1e-37) << n << " at " << j;
    }
    for (int64_t j : {n, n + 2, 2 * n + 3, 2 * n + 5}) EXPECT_EQ(p[j], 0);
  }
}

TEST_F(Bf16Kernels, ARowMaskedWholeIsZero) {
  std::vector<float> scores(20, 1.0f), mask(20, -kInfinity);
  std::vector<uint16_t> p(20, 0xbeef);
  ScoreRow row;
  row.scores = scores.data(), row.mask = mask.data(), row.probabilities = p.data();
  row.n = row.padded = 20, row.max = -kInfinity;
  bf16_softmax()(row);
  EXPECT_EQ(p, std::vector<uint16_t>(20, 0));
  EXPECT_EQ(row.sum, 0);
  EXPECT_EQ(row.rescale, 1);
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
