// SPDX-License-Identifier: Apache-2.0
#pragma once
// FP16, BF16, and the eight- and four-bit floats, as bits with conversions that round to
// nearest even (E8M0: up, as ONNX does). Arithmetic happens in float.
#include <bit>
#include <cstdint>
#include <type_traits>

namespace lathe {

float half_to_float(uint16_t bits);
uint16_t float_to_half(float value);    // ties to even; overflow becomes infinity
uint16_t double_to_half(double value);  // rounds once, not through float

struct Half {
  uint16_t bits = 0;
  Half() = default;
  Half(float v) : bits(float_to_half(v)) {}
  Half(double v) : bits(double_to_half(v)) {}
  template <class I>
  requires std::is_integral_v<I> Half(I v) : bits(double_to_half(static_cast<double>(v))) {}
  operator float() const { return half_to_float(bits); }
};

uint16_t float_to_bfloat16(float value);    // ties to even; NaN stays NaN
uint16_t double_to_bfloat16(double value);  // rounds once

struct BFloat16 {
  uint16_t bits = 0;
  BFloat16() = default;
  BFloat16(float v) : bits(float_to_bfloat16(v)) {}
  BFloat16(double v) : bits(double_to_bfloat16(v)) {}
  template <class I>
  requires std::is_integral_v<I> BFloat16(I v) : bits(double_to_bfloat16(static_cast<double>(v))) {}
  operator float() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
};

// A float format of at most eight bits, described by its fields (OCP FP8, FP4 and MX; the
// "uz" kinds have one NaN, at negative zero, and no infinity).
enum class SmallFloat : uint8_t { E4M3FN, E4M3FNUZ, E5M2, E5M2FNUZ, E8M0, E2M1 };
float small_to_float(SmallFloat format, uint8_t bits);
// `saturate`: out of range becomes the largest finite value, else infinity or NaN (ONNX Cast).
uint8_t float_to_small(SmallFloat format, float value, bool saturate);

}  // namespace lathe
