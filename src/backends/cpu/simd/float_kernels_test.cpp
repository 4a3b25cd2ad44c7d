// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/targets.h"
// Highway's targets first
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <vector>

#include "backends/cpu/simd/kernel.h"
#include "base/random.h"
#include "hwy/highway.h"
#include "tensor/half.h"

namespace lathe::cpu {
namespace {

// Runs the test under every target that this processor has.
template <class F>
void for_each_target(F&& f) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    SCOPED_TRACE(hwy::TargetName(target));
    f(float_kernels());
    hwy::SetSupportedTargetsForTest(0);
  }
}

std::vector<float> map(const Kernel* table, FloatOp op, const std::vector<float>& x) {
  std::vector<float> y(x.size());
  const Arg arg{x.data(), 1};
  table[static_cast<size_t>(op)](&arg, y.data(), x.size());
  return y;
}

// Distance in units of the last place of the true value (of a denormal: of the least normal).
double ulps(float got, double want) {
  const double unit =
      std::ldexp(1.0, std::max(std::ilogb(std::max(std::fabs(want), 1e-300)), -126) - 23);
  return std::fabs(got - want) / unit;
}

std::vector<float> samples(float low, float high) {
  std::vector<float> x;
  Random random(7);
  for (int i = 0; i < 200000; ++i) x.push_back(low + (high - low) * random.uniform_float());
  // Every exponent, both signs.
  for (int i = 0; i < 200000; ++i) {
    const auto v = std::bit_cast<float>(static_cast<uint32_t>(random.next()));
    if (v >= low && v <= high) x.push_back(v);
  }
  return x;
}

struct Case {
  const char* name;
  FloatOp op;
  double (*truth)(double);
  float low, high;
  double bound;
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

TEST(FloatKernels, FunctionsAreWithinAFewUnitsOfTheLastPlace) {
  const Case cases[] = {
      {"exp", FloatOp::Exp, std::exp, -87, 88.7f, 1.5},
      {"log", FloatOp::Log, std::log, 0, 3.4e38f, 2},
      {"log near one", FloatOp::Log, std::log, 0.5f, 2, 2},
      {"log1p", FloatOp::Log1p, std::log1p, -0.999999f, 1e10f, 3},
      {"log1p near zero", FloatOp::Log1p, std::log1p, -0.5f, 0.5f, 3},
      {"expm1", FloatOp::Expm1, std::expm1, -100, 88.7f, 3},
      {"expm1 near zero", FloatOp::Expm1, std::expm1, -1, 1, 3},
      {"tanh", FloatOp::Tanh, std::tanh, -20, 20, 4},
      {"tanh near zero", FloatOp::Tanh, std::tanh, -1, 1, 4},
      {"sigmoid", FloatOp::Sigmoid, sigmoid, -87, 100, 3},
      {"erf", FloatOp::Erf, std::erf, -6, 6, 2},
      {"erf near zero", FloatOp::Erf, std::erf, -1, 1, 2},
      {"sin", FloatOp::Sin, std::sin, -3.2f, 3.2f, 2},
      {"cos", FloatOp::Cos, std::cos, -1.57f, 1.57f, 2},
  };
  for_each_target([&](const Kernel* table) {
    for (const Case& c : cases) {
      const std::vector<float> x = samples(c.low, c.high), y = map(table, c.op, x);
      double worst = 0, at = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const double error = ulps(y[i], c.truth(x[i]));
        if (!(error <= worst)) worst = error, at = x[i];
      }
      EXPECT_LE(worst, c.bound) << c.name << " at " << at;
      RecordProperty(c.name, std::to_string(worst));
    }
  });
}

TEST(FloatKernels, WavesOfLargeArgumentsStayAccurate) {
  for_each_target([](const Kernel* table) {
    const std::vector<float> x = samples(-1e6f, 1e6f);
    const std::vector<float> s = map(table, FloatOp::Sin, x), c = map(table, FloatOp::Cos, x);
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_NEAR(s[i], std::sin(double{x[i]}), 1.2e-7) << x[i];
      ASSERT_NEAR(c[i], std::cos(double{x[i]}), 1.2e-7) << x[i];
    }
  });
}

TEST(FloatKernels, SpecialValuesAreTheCLibrarys) {
  const float inf = HUGE_VALF;
  const std::vector<float> x = {0.0f,  -0.0f,  inf,     -inf,  NAN,    1.0f,
                                -1.0f, 1e-40f, -1e-40f, 89.5f, -110.0f};
  const struct {
    FloatOp op;
    float (*truth)(float);
  } cases[] = {
      {FloatOp::Exp, std::exp},     {FloatOp::Log, std::log},     {FloatOp::Log1p, std::log1p},
      {FloatOp::Expm1, std::expm1}, {FloatOp::Tanh, std::tanh},   {FloatOp::Erf, std::erf},
      {FloatOp::Sqrt, std::sqrt},   {FloatOp::Floor, std::floor}, {FloatOp::Round, std::nearbyint},
      {FloatOp::Sin, std::sin},     {FloatOp::Cos, std::cos},
  };
  for_each_target([&](const Kernel* table) {
    for (const auto& c : cases) {
      const std::vector<float> y = map(table, c.op, x);
      for (size_t i = 0; i < x.size(); ++i) {
        const float want = c.truth(x[i]);
        if (std::isnan(want)) {
          EXPECT_TRUE(std::isnan(y[i])) << static_cast<int>(c.op) << " of " << x[i];
        } else if (y[i] != want) {
          EXPECT_NEAR(y[i], want, 1e-6 * std::fabs(want) + 3e-45)
              << static_cast<int>(c.op) << " of " << x[i];
        }
      }
    }
  });
}

TEST(FloatKernels, HalvesRoundToNearestEven) {
  for_each_target([](const Kernel* table) {
    std::vector<float> x = samples(-70000, 70000);
    x.insert(x.end(), {HUGE_VALF, -HUGE_VALF, NAN, 65520.0f, 65519.0f, 6e-8f, 3e-8f});
    std::vector<uint16_t> f16(x.size()), bf16(x.size());
    const Arg arg{x.data(), 1};
    table[static_cast<size_t>(FloatOp::StoreF16)](&arg, f16.data(), x.size());
    table[static_cast<size_t>(FloatOp::StoreBF16)](&arg, bf16.data(), x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(x[i])) {
        EXPECT_TRUE(std::isnan(half_to_float(f16[i])));
        EXPECT_TRUE(std::isnan(std::bit_cast<float>(uint32_t{bf16[i]} << 16)));
        continue;
      }
      ASSERT_EQ(f16[i], float_to_half(x[i])) << x[i];
      ASSERT_EQ(bf16[i], float_to_bfloat16(x[i])) << x[i];
    }
  });
}

TEST(FloatKernels, ConversionsToIntegersSaturateAndTakeNanAsZero) {
  const std::vector<float> x = {NAN,           HUGE_VALF,     -HUGE_VALF, 1.9f, -1.9f,
                                2147483648.0f, 2147483520.0f, 300,        -300};
  for_each_target([&](const Kernel* table) {
    const Arg arg{x.data(), 1};
    std::vector<int32_t> y(x.size());
    table[static_cast<size_t>(FloatOp::ToI32)](&arg, y.data(), x.size());
    const std::vector<int32_t> i32 = {0,         INT32_MAX,  INT32_MIN, 1,   -1,
                                      INT32_MAX, 2147483520, 300,       -300};
    EXPECT_EQ(y, i32);
    table[static_cast<size_t>(FloatOp::ToU8)](&arg, y.data(), x.size());
    const std::vector<int32_t> u8 = {0, 255, 0, 1, 0, 255, 255, 255, 0};
    EXPECT_EQ(y, u8);
  });
}

TEST(FloatKernels, WriteExactlyWhatTheyAreAskedFor) {
  for_each_target([](const Kernel* table) {
    for (size_t n = 0; n < 40; ++n) {
      std::vector<float> x(n, 1.0f), y(n + 1, -7.0f);
      const Arg args[] = {{x.data(), 1}, {x.data(), 1}};
      table[static_cast<size_t>(FloatOp::Add)](args, y.data(), n);
      EXPECT_EQ(y[n], -7.0f);
      for (size_t i = 0; i < n; ++i) EXPECT_EQ(y[i], 2.0f);
    }
  });
}

}  // namespace
}  // namespace lathe::cpu
