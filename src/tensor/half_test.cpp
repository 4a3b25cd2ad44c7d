// SPDX-License-Identifier: Apache-2.0
#include "tensor/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace lathe {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// What the bits of a 5/10 or 8/7 format mean, by arithmetic.
double meaning(uint16_t bits, int mantissa_bits, int bias) {
  int exponent = (bits & 0x7fff) >> mantissa_bits;
  int mantissa = bits & ((1 << mantissa_bits) - 1);
  int largest = 0x7fff >> mantissa_bits;
  double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == largest) return mantissa != 0 ? kNan : sign * kInfinity;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
}

TEST(Half, EveryBitPatternMeansWhatTheFormatSaysAndConvertsBack) {
  for (uint32_t b = 0; b < 0x10000; ++b) {
    auto bits = static_cast<uint16_t>(b);
    float v = half_to_float(bits);
    if ((b & 0x7fff) > 0x7c00) {
      EXPECT_TRUE(std::isnan(v)) << b;
      EXPECT_GT(float_to_half(v) & 0x7fff, 0x7c00) << b;
      EXPECT_GT(double_to_half(double{v}) & 0x7fff, 0x7c00) << b;
      continue;
    }
    ASSERT_EQ(double{v}, meaning(bits, 10, 15)) << b;
    ASSERT_EQ(float_to_half(v), bits) << b;
    ASSERT_EQ(double_to_half(double{v}), bits) << b;
  }
}

TEST(BFloat16, EveryBitPatternMeansWhatTheFormatSaysAndConvertsBack) {
  for (uint32_t b = 0; b < 0x10000; ++b) {
    auto bits = static_cast<uint16_t>(b);
    BFloat16 h;
    h.bits = bits;
    float v = h;
    if ((b & 0x7fff) > 0x7f80) {
      EXPECT_TRUE(std::isnan(v)) << b;
      EXPECT_GT(float_to_bfloat16(v) & 0x7fff, 0x7f80) << b;
      EXPECT_GT(double_to_bfloat16(double{v}) & 0x7fff, 0x7f80) << b;
      continue;
    }
    ASSERT_EQ(double{v}, meaning(bits, 7, 127)) << b;
    ASSERT_EQ(float_to_bfloat16(v), bits) << b;
    ASSERT_EQ(double_to_bfloat16(double{v}), bits) << b;
  }
}

// Between neighbours a < b: the middle goes to the even one, what is off the middle to the
// nearer one. The bits of positive values are in order, so b's are a's plus 1.
template <class ToBits, class Next>
void check_ties(int mantissa_bits, int bias, uint16_t infinity, ToBits to_bits, Next next) {
  for (uint16_t a = 0; a < infinity; ++a) {
    auto b = static_cast<uint16_t>(a + 1);
    double low = meaning(a, mantissa_bits, bias);
    double high = b < infinity ? meaning(b, mantissa_bits, bias)
                               : std::ldexp(1.0, (infinity >> mantissa_bits) - bias);
    double middle = (low + high) / 2;
    uint16_t even = (a & 1) == 0 ? a : b;
    ASSERT_EQ(to_bits(middle), even) << a;
    ASSERT_EQ(to_bits(-middle), even | 0x8000) << a;
    ASSERT_EQ(to_bits(next(middle, 0.0)), a) << a;
    ASSERT_EQ(to_bits(next(middle, 1e300)), b) << a;
  }
}

double next_float(double v, double toward) {
  return std::nextafter(static_cast<float>(v), static_cast<float>(toward));
}
double next_double(double v, double toward) { return std::nextafter(v, toward); }

TEST(Half, TiesGoToEvenFromFloat) {
  auto f = [](double v) { return float_to_half(static_cast<float>(v)); };
  check_ties(10, 15, 0x7c00, f, next_float);
}

TEST(Half, TiesGoToEvenFromDoubleRoundedOnce) {
  check_ties(10, 15, 0x7c00, double_to_half, next_double);
}

TEST(BFloat16, TiesGoToEvenFromFloat) {
  auto f = [](double v) { return float_to_bfloat16(static_cast<float>(v)); };
  check_ties(7, 127, 0x7f80, f, next_float);
}

TEST(BFloat16, TiesGoToEvenFromDoubleRoundedOnce) {
  check_ties(7, 127, 0x7f80, double_to_bfloat16, next_double);
}

TEST(Half, ExtremesBecomeInfinityOrZero) {
  EXPECT_EQ(float_to_half(1e30f), 0x7c00);
  EXPECT_EQ(float_to_half(-kInfinity), 0xfc00);
  EXPECT_EQ(double_to_half(1e300), 0x7c00);
  EXPECT_EQ(double_to_half(1e-300), 0);
  EXPECT_EQ(double_to_half(-std::numeric_limits<double>::denorm_min()), 0x8000);
  EXPECT_EQ(float_to_half(-0.0f), 0x8000);
  EXPECT_EQ(float_to_bfloat16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_EQ(Half(65504).bits, 0x7bff);
  EXPECT_EQ(static_cast<float>(BFloat16(int64_t{3})), 3.0f);
}

struct SmallCase {
  SmallFloat format;
  int values;  // bit patterns
  float smallest;
  float largest;
};
const SmallCase kSmall[] = {
    {SmallFloat::E4M3FN, 256, 0x1p-9f, 448},      {SmallFloat::E4M3FNUZ, 256, 0x1p-10f, 240},
    {SmallFloat::E5M2, 256, 0x1p-16f, 57344},     {SmallFloat::E5M2FNUZ, 256, 0x1p-17f, 57344},
    {SmallFloat::E8M0, 256, 0x1p-127f, 0x1p127f}, {SmallFloat::E2M1, 16, 0.5f, 6},
};

std::vector<float> positive_values(const SmallCase& c) {
  std::vector<float> values;
  for (int b = 0; b < c.values; ++b) {
    float v = small_to_float(c.format, static_cast<uint8_t>(b));
    if (std::isfinite(v) && !std::signbit(v) && v > 0) values.push_back(v);
  }
  return values;
}

TEST(SmallFloat, EveryBitPatternConvertsBack) {
  for (const SmallCase& c : kSmall) {
    for (int b = 0; b < c.values; ++b) {
      auto bits = static_cast<uint8_t>(b);
      float v = small_to_float(c.format, bits);
      uint8_t back = float_to_small(c.format, v, false);
      if (std::isnan(v)) {
        EXPECT_TRUE(std::isnan(small_to_float(c.format, back))) << b;
      } else {
        EXPECT_EQ(back, bits) << static_cast<int>(c.format) << " " << v;
      }
    }
  }
}

TEST(SmallFloat, RangesAreThoseOfTheStandards) {
  for (const SmallCase& c : kSmall) {
    std::vector<float> values = positive_values(c);
    EXPECT_EQ(values.front(), c.smallest) << static_cast<int>(c.format);
    EXPECT_EQ(values.back(), c.largest) << static_cast<int>(c.format);
    EXPECT_TRUE(std::is_sorted(values.begin(), values.end()));
  }
}

TEST(SmallFloat, FourBitsAreTheirTable) {
  const float table[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(small_to_float(SmallFloat::E2M1, static_cast<uint8_t>(i)), table[i]);
    EXPECT_EQ(small_to_float(SmallFloat::E2M1, static_cast<uint8_t>(8 + i)), -table[i]);
  }
}

TEST(SmallFloat, RoundsToNearestEven) {
  for (const SmallCase& c : kSmall) {
    if (c.format == SmallFloat::E8M0) continue;
    std::vector<float> values = positive_values(c);
    for (size_t i = 0; i + 1 < values.size(); ++i) {
      auto low = float_to_small(c.format, values[i], true);
      auto high = float_to_small(c.format, values[i + 1], true);
      float middle = (values[i] + values[i + 1]) / 2;
      EXPECT_EQ(float_to_small(c.format, middle, true), (low & 1) == 0 ? low : high) << middle;
      EXPECT_EQ(float_to_small(c.format, std::nextafter(middle, 0.0f), true), low) << middle;
      EXPECT_EQ(float_to_small(c.format, std::nextafter(middle, kInfinity), true), high) << middle;
    }
    EXPECT_EQ(small_to_float(c.format, float_to_small(c.format, c.smallest / 2, true)), 0);
  }
}

TEST(SmallFloat, OutOfRangeSaturatesOrDoesNot) {
  auto convert = [](SmallFloat f, float v, bool saturate) {
    return small_to_float(f, float_to_small(f, v, saturate));
  };
  for (SmallFloat f : {SmallFloat::E4M3FN, SmallFloat::E4M3FNUZ, SmallFloat::E5M2FNUZ}) {
    EXPECT_TRUE(std::isnan(convert(f, 1e9f, false)));
    EXPECT_TRUE(std::isnan(convert(f, kInfinity, false)));
    EXPECT_TRUE(std::isnan(convert(f, kNan, true)));
  }
  EXPECT_EQ(convert(SmallFloat::E4M3FN, -1e9f, true), -448);
  EXPECT_EQ(convert(SmallFloat::E4M3FN, kInfinity, true), 448);
  EXPECT_EQ(convert(SmallFloat::E4M3FN, 464, true), 448);  // the tie with 480 goes to even 448
  EXPECT_EQ(convert(SmallFloat::E5M2, 1e9f, false), kInfinity);
  EXPECT_EQ(convert(SmallFloat::E5M2, -1e9f, true), -57344);
  EXPECT_EQ(convert(SmallFloat::E2M1, 100, false), 6);
  EXPECT_FALSE(std::signbit(convert(SmallFloat::E4M3FNUZ, -0.0f, true)));
}

TEST(SmallFloat, ScalesRoundUp) {
  auto convert = [](float v) {
    return small_to_float(SmallFloat::E8M0, float_to_small(SmallFloat::E8M0, v, true));
  };
  EXPECT_EQ(convert(1), 1);
  EXPECT_EQ(convert(1.01f), 2);
  EXPECT_EQ(convert(3), 4);
  EXPECT_EQ(convert(0), 0x1p-127f);
  EXPECT_EQ(convert(3e38f), 0x1p127f);
  EXPECT_TRUE(std::isnan(convert(-1)));
}

}  // namespace
}  // namespace lathe
