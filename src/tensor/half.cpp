// SPDX-License-Identifier: Apache-2.0
#include "tensor/half.h"

#include <bit>
#include <limits>

namespace lathe {
namespace {

// Where a binary format keeps its fields.
struct Format {
  int exponent_bits;
  int mantissa_bits;
  int bias;
};

constexpr Format kHalf{5, 10, 15};
constexpr Format kBFloat16{8, 7, 127};

// Bits of |value| (finite, nonzero) in the format, rounded once to nearest even, without a
// limit on the exponent: a result past the format's largest finite value shows as larger bits.
uint32_t round_magnitude(double value, Format f) {
  uint64_t raw = std::bit_cast<uint64_t>(value) & ~(uint64_t{1} << 63);
  if (raw >> 52 == 0) return 0;  // subnormal doubles are far below every format here
  int exponent = static_cast<int>(raw >> 52) - 1023 + f.bias;
  uint64_t mantissa = (raw & ((uint64_t{1} << 52) - 1)) | (uint64_t{1} << 52);
  int shift = 52 - f.mantissa_bits;
  if (exponent < 1) {
    shift += 1 - exponent;
    exponent = 1;
  }
  if (shift > 54) return 0;
  uint64_t rest = mantissa & ((uint64_t{1} << shift) - 1);
  uint64_t tie = uint64_t{1} << (shift - 1);
  uint64_t rounded = mantissa >> shift;
  if (rest > tie || (rest == tie && (rounded & 1) != 0)) ++rounded;
  // Adding the exponent lets a carry out of the mantissa move into it; a subnormal has none.
  return static_cast<uint32_t>(rounded + (static_cast<uint64_t>(exponent - 1) << f.mantissa_bits));
}

uint16_t to_sixteen(double value, Format f) {
  auto sign = static_cast<uint16_t>(std::bit_cast<uint64_t>(value) >> 63 << 15);
  uint32_t infinity = ((1u << f.exponent_bits) - 1) << f.mantissa_bits;
  if (value != value) {
    auto payload = static_cast<uint32_t>(
        (std::bit_cast<uint64_t>(value) & ((uint64_t{1} << 52) - 1)) >> (52 - f.mantissa_bits));
    return static_cast<uint16_t>(sign | infinity | payload | (1u << (f.mantissa_bits - 1)));
  }
  if (value == 0) return sign;
  if (value - value != 0) return static_cast<uint16_t>(sign | infinity);
  uint32_t bits = round_magnitude(value, f);
  return static_cast<uint16_t>(sign | (bits < infinity ? bits : infinity));
}

struct SmallFacts {
  Format format;
  uint8_t sign;     // mask of the sign bit; 0 for the unsigned E8M0
  uint8_t largest;  // bits of the largest finite value
  int infinity;     // bits, or -1
  int nan;          // bits, or -1
  bool uz;          // the only NaN is negative zero
};

SmallFacts small_facts(SmallFloat format) {
  switch (format) {
    case SmallFloat::E4M3FN: return {{4, 3, 7}, 0x80, 0x7e, -1, 0x7f, false};
    case SmallFloat::E4M3FNUZ: return {{4, 3, 8}, 0x80, 0x7f, -1, 0x80, true};
    case SmallFloat::E5M2: return {{5, 2, 15}, 0x80, 0x7b, 0x7c, 0x7e, false};
    case SmallFloat::E5M2FNUZ: return {{5, 2, 16}, 0x80, 0x7f, -1, 0x80, true};
    case SmallFloat::E8M0: return {{8, 0, 127}, 0, 0xfe, -1, 0xff, false};
    case SmallFloat::E2M1: return {{2, 1, 1}, 0x08, 0x07, -1, -1, false};
  }
  return {};
}

double power_of_two(int exponent) {
  return std::bit_cast<double>(static_cast<uint64_t>(exponent + 1023) << 52);
}

bool is_small_nan(SmallFloat format, const SmallFacts& f, uint8_t bits, uint8_t magnitude) {
  if (f.uz) return bits == 0x80;
  if (format == SmallFloat::E5M2) return magnitude > 0x7c;
  return f.nan >= 0 && magnitude == f.nan;
}

// E8M0 has no zero, no sign and no infinity: 2^(bits - 127). What is not a power of two goes up
// to the next one, the default of ONNX's Cast.
uint8_t float_to_e8m0(float value, bool saturate) {
  if (!(value >= 0) || value == std::numeric_limits<float>::infinity()) return 0xff;
  uint32_t raw = std::bit_cast<uint32_t>(value);
  uint32_t exponent = raw >> 23;
  uint32_t exact = exponent == 0 ? 0x400000 : 0;  // 2^-127 is a subnormal float
  if ((raw & 0x7fffff) > exact) ++exponent;
  if (exponent > 0xfe) return saturate ? 0xfe : 0xff;
  return static_cast<uint8_t>(exponent);
}

uint8_t out_of_range(const SmallFacts& f, uint8_t sign, bool saturate) {
  if (saturate || (f.infinity < 0 && f.nan < 0)) return static_cast<uint8_t>(sign | f.largest);
  if (f.infinity >= 0) return static_cast<uint8_t>(sign | f.infinity);
  return static_cast<uint8_t>(f.uz ? f.nan : sign | f.nan);
}

}  // namespace

float half_to_float(uint16_t bits) {
  uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  uint32_t magnitude = bits & 0x7fff;
  if (magnitude >= 0x7c00) {
    return std::bit_cast<float>(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  }
  if (magnitude < 0x0400) {
    float v = static_cast<float>(magnitude) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(v));
  }
  return std::bit_cast<float>(sign | ((magnitude << 13) + ((127u - 15u) << 23)));
}

uint16_t double_to_half(double value) { return to_sixteen(value, kHalf); }
uint16_t double_to_bfloat16(double value) { return to_sixteen(value, kBFloat16); }

uint16_t float_to_half(float value) {
  uint32_t raw = std::bit_cast<uint32_t>(value);
  uint32_t sign = raw >> 16 & 0x8000;
  uint32_t magnitude = raw & 0x7fffffff;
  if (magnitude - 0x38800000 >= 0x47800000 - 0x38800000) return to_sixteen(double{value}, kHalf);
  magnitude -= (127u - 15u) << 23;
  return static_cast<uint16_t>(sign | (magnitude + 0xfff + (magnitude >> 13 & 1)) >> 13);
}

uint16_t float_to_bfloat16(float value) {
  uint32_t raw = std::bit_cast<uint32_t>(value);
  if (value != value) return static_cast<uint16_t>(raw >> 16 | 0x40);
  return static_cast<uint16_t>((raw + 0x7fff + (raw >> 16 & 1)) >> 16);
}

float small_to_float(SmallFloat format, uint8_t bits) {
  SmallFacts f = small_facts(format);
  if (format == SmallFloat::E8M0) {
    return bits == 0xff ? std::numeric_limits<float>::quiet_NaN()
                        : static_cast<float>(power_of_two(int{bits} - 127));
  }
  auto magnitude = static_cast<uint8_t>(bits & (f.sign - 1));
  if (is_small_nan(format, f, bits, magnitude)) return std::numeric_limits<float>::quiet_NaN();
  double value = std::numeric_limits<double>::infinity();
  if (magnitude != f.infinity) {
    int exponent = magnitude >> f.format.mantissa_bits;
    int mantissa = magnitude & ((1 << f.format.mantissa_bits) - 1);
    if (exponent != 0) mantissa += 1 << f.format.mantissa_bits;
    int scale = (exponent == 0 ? 1 : exponent) - f.format.bias - f.format.mantissa_bits;
    value = mantissa * power_of_two(scale);
  }
  return static_cast<float>((bits & f.sign) != 0 ? -value : value);
}

uint8_t float_to_small(SmallFloat format, float value, bool saturate) {
  if (format == SmallFloat::E8M0) return float_to_e8m0(value, saturate);
  SmallFacts f = small_facts(format);
  uint8_t sign = std::bit_cast<uint32_t>(value) >> 31 != 0 ? f.sign : uint8_t{0};
  if (value != value) {
    if (f.nan < 0) return f.largest;  // no NaN in the format
    return static_cast<uint8_t>(f.uz ? f.nan : sign | f.nan);
  }
  if (value == 0) return f.uz ? uint8_t{0} : sign;
  if (value - value != 0) return out_of_range(f, sign, saturate);
  uint32_t bits = round_magnitude(double{value}, f.format);
  if (bits == 0 && f.uz) return 0;
  if (bits > f.largest) return out_of_range(f, sign, saturate);
  return static_cast<uint8_t>(sign | bits);
}

}  // namespace lathe
