// SPDX-License-Identifier: Apache-2.0
// Functions of f32 vectors, accurate to 1-4 units in the last place (measured in
// float_kernels_test.cpp). Compiled once for each target; include from between HWY_BEFORE_NAMESPACE
// and HWY_AFTER_NAMESPACE files only. Polynomials are minimax fits of degree just enough for f32.
#if defined(LATHE_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LATHE_VECTOR_MATH_INL_H_
#undef LATHE_VECTOR_MATH_INL_H_
#else
#define LATHE_VECTOR_MATH_INL_H_
#endif

#include <cmath>
#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lathe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F = hn::ScalableTag<float>;
using I = hn::RebindToSigned<F>;
using VF = hn::Vec<F>;
using VI = hn::Vec<I>;

HWY_INLINE VF splat(float v) { return hn::Set(F(), v); }

// The first `count` lanes; nothing else is touched. Other lanes are read as 0.
#if HWY_TARGET <= HWY_AVX2
HWY_INLINE VF load_part(const float* from, size_t count) {
  return hn::MaskedLoad(hn::FirstN(F(), count), F(), from);
}
HWY_INLINE void store_part(VF v, float* to, size_t count) {
  hn::BlendedStore(v, hn::FirstN(F(), count), F(), to);
}
#else
HWY_INLINE VF load_part(const float* from, size_t count) {
  HWY_ALIGN float lanes[hn::MaxLanes(F())] = {};
  std::memcpy(lanes, from, count * sizeof(float));
  return hn::Load(F(), lanes);
}
HWY_INLINE void store_part(VF v, float* to, size_t count) {
  HWY_ALIGN float lanes[hn::MaxLanes(F())];
  hn::Store(v, F(), lanes);
  std::memcpy(to, lanes, count * sizeof(float));
}
#endif

// c[0] + c[1] x + ..., unrolled by the compiler's front end.
template <size_t kFrom = 0, size_t kCount>
HWY_INLINE VF polynomial(VF x, const float (&c)[kCount]) {
  if constexpr (kFrom + 1 == kCount) {
    return splat(c[kFrom]);
  } else {
    return hn::MulAdd(polynomial<kFrom + 1>(x, c), x, splat(c[kFrom]));
  }
}

// Highway's Ne is false for NaN on some targets and true on others.
HWY_INLINE hn::Mask<F> is_nan(VF x) { return hn::Not(hn::Eq(x, x)); }

// The larger and smaller where b is no NaN; a NaN in a stays.
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
HWY_INLINE VF at_least(VF a, VF b) { return hn::IfThenElse(hn::Lt(a, b), b, a); }
HWY_INLINE VF at_most(VF a, VF b) { return hn::IfThenElse(hn::Lt(b, a), b, a); }
#else  // x86 returns the second operand where one is NaN
HWY_INLINE VF at_least(VF a, VF b) { return hn::Max(b, a); }
HWY_INLINE VF at_most(VF a, VF b) { return hn::Min(b, a); }
#endif

// 2^n, -126 <= n <= 127
HWY_INLINE VF power_of_two(VI n) {
  return hn::BitCast(F(), hn::ShiftLeft<23>(hn::Add(n, hn::Set(I(), 127))));
}

// x = n ln 2 + r. The low bits of `number` are n + kBias: adding 1.5 * 2^23 rounds to integers.
template <int kBias>
HWY_INLINE VF split_exponent(VF x, VF& number) {
  const VF shift = splat(12582912.0f + kBias);
  number = hn::MulAdd(x, splat(1.44269504f), shift);
  const VF k = hn::Sub(number, shift);
  const VF r = hn::NegMulAdd(k, splat(0.693359375f), x);  // 10 bits: k times it is exact
  return hn::NegMulAdd(k, splat(-2.12194440e-4f), r);
}
// e^r and e^r - 1 for |r| <= ln 2 / 2
HWY_INLINE VF exp_near_zero(VF r) {
  static constexpr float kP[] = {
      1.0f,           1.0f, 5.000000095e-1f, 1.66665188e-1f, 4.166620651e-2f, 8.368892349e-3f,
      1.395043955e-3f};
  return polynomial(r, kP);
}
HWY_INLINE VF expm1_near_zero(VF r) {
  static constexpr float kQ[] = {5.000000047e-1f, 1.66666668e-1f,  4.166635362e-2f,
                                 8.333277259e-3f, 1.394106843e-3f, 1.991184747e-4f};
  return hn::MulAdd(hn::Mul(r, r), polynomial(r, kQ), r);
}
// 2^n of a number with bias 127, 2^(n - 1) with bias 126.
HWY_INLINE VF exponent_of(VF number) {
  return hn::BitCast(F(), hn::ShiftLeft<23>(hn::BitCast(I(), number)));
}

// e^x for x <= 88; below -87 the result is about 1e-38 instead of a denormal.
HWY_INLINE VF exp_bounded(VF x) {
  VF number;
  const VF y = exp_near_zero(split_exponent<127>(at_least(x, splat(-87.0f)), number));
  return hn::Mul(y, exponent_of(number));
}

// In two steps, into denormals and past the largest.
HWY_INLINE VF exp_extreme(VF x) {
  VF number;
  x = at_most(at_least(x, splat(-104.0f)), splat(89.0f));
  const VF y = exp_near_zero(split_exponent<0>(x, number));
  const VI n = hn::Sub(hn::BitCast(I(), number), hn::BitCast(I(), splat(12582912.0f)));
  const VI half = hn::ShiftRight<1>(n);
  return hn::Mul(hn::Mul(y, power_of_two(half)), power_of_two(hn::Sub(n, half)));
}

HWY_INLINE VF exp(VF x) {
  if (HWY_UNLIKELY(!hn::AllTrue(F(), hn::Le(hn::Abs(x), splat(87.0f))))) return exp_extreme(x);
  VF number;
  const VF y = exp_near_zero(split_exponent<127>(x, number));
  return hn::Mul(y, exponent_of(number));
}

// -18 <= x <= 89 or NaN
HWY_INLINE VF expm1_bounded(VF x) {
  VF number;
  const VF p = expm1_near_zero(split_exponent<126>(x, number));
  const VF half = exponent_of(number);
  const VF y = hn::MulAdd(half, p, hn::Sub(half, splat(0.5f)));
  return hn::Add(y, y);
}
HWY_INLINE VF expm1(VF x) {
  return expm1_bounded(at_most(at_least(x, splat(-18.0f)), splat(89.0f)));
}

HWY_INLINE VF log(VF x) {
  static constexpr float kP[] = {3.333333874e-1f,  -2.499981936e-1f, 1.999930641e-1f,
                                 -1.667961698e-1f, 1.431282438e-1f,  -1.21952687e-1f,
                                 1.066153134e-1f,  -1.284718514e-1f, 1.235734686e-1f};
  const auto tiny = hn::Lt(x, splat(0x1p-126f));
  const VF scaled = hn::IfThenElse(tiny, hn::Mul(x, splat(0x1p23f)), x);
  const VI bits = hn::BitCast(I(), scaled);
  // m in [2/3, 4/3)
  VI e = hn::ShiftRight<23>(hn::Sub(bits, hn::Set(I(), 0x3f2aaaab)));
  const VF m = hn::BitCast(F(), hn::Sub(bits, hn::ShiftLeft<23>(e)));
  VF k = hn::ConvertTo(F(), e);
  k = hn::IfThenElse(tiny, hn::Sub(k, splat(23.0f)), k);
  const VF f = hn::Sub(m, splat(1.0f));
  const VF f2 = hn::Mul(f, f);
  VF tail = hn::Mul(hn::Mul(f2, f), polynomial(f, kP));
  tail = hn::MulAdd(k, splat(-2.12194440e-4f), tail);
  tail = hn::NegMulAdd(f2, splat(0.5f), tail);
  VF y = hn::MulAdd(k, splat(0.693359375f), hn::Add(f, tail));
  const VF infinity = splat(HUGE_VALF);
  y = hn::IfThenElse(hn::Lt(x, infinity), y, x);  // +inf and NaN stay
  y = hn::IfThenElse(hn::Lt(x, splat(0.0f)), splat(NAN), y);
  return hn::IfThenElse(hn::Eq(x, splat(0.0f)), hn::Neg(infinity), y);
}

// log(u) corrected by what 1 + x lost
HWY_INLINE VF log1p(VF x) {
  const VF one = splat(1.0f);
  const VF u = hn::Add(one, x);
  const VF lost = hn::Sub(x, hn::Sub(u, one));
  const auto some = hn::And(hn::Ne(lost, splat(0.0f)), hn::Lt(u, splat(1e30f)));
  return hn::Add(log(u), hn::IfThenElseZero(some, hn::Div(lost, u)));
}

// e^2|x| - 1 = e  ->  tanh = e / (e + 2)
HWY_INLINE VF tanh(VF x) {
  const VF a = at_most(hn::Abs(x), splat(10.0f));
  const VF e = expm1_bounded(hn::Add(a, a));
  return hn::CopySign(hn::Div(e, hn::Add(e, splat(2.0f))), x);
}

// n / d for 1 <= d < 2^126. AVX-512 divides slowly, so there by an estimate of 14 bits, refined to
// about one unit; elsewhere the division takes a third of the estimate's time.
HWY_INLINE VF quotient(VF n, VF d) {
#if HWY_TARGET <= HWY_AVX3
  const VF y = hn::ApproximateReciprocal(d);
  return hn::Mul(n, hn::MulAdd(y, hn::NegMulAdd(d, y, splat(1.0f)), y));
#else
  return hn::Div(n, d);
#endif
}

// Without fused multiply-add: below, n is taken from a product that must not be rounded.
#if HWY_TARGET > HWY_AVX2
HWY_INLINE VF sigmoid_of(VF factor, VF x) {
  return hn::Mul(factor, hn::Div(splat(1.0f), hn::Add(splat(1.0f), exp(hn::Neg(x)))));
}
#else
// factor / (1 + 2^t) with t = -x log2(e) = n + r. What activation functions cost is this function,
// so it adds n to the exponent's bits, which a large constant has moved to the end of the mantissa.
// Below -87 the sigmoid is 0. The vectors' Min and Max give their second operand where one is NaN.
HWY_INLINE VF sigmoid_of(VF factor, VF x) {
  static constexpr float kExp2[] = {1.0f,
                                    6.931471825e-1f,
                                    2.402264774e-1f,
                                    5.550332367e-2f,
                                    9.618436918e-3f,
                                    1.339887385e-3f,
                                    1.535336196e-4f};
  constexpr float kLog2e = 1.44269502f, kLog2eRest = 1.925963e-8f, kRound = 12582912.0f;
  const VF a = hn::Min(splat(87.0f), hn::Max(splat(-87.0f), x));
  const VF shifted = hn::NegMulAdd(a, splat(kLog2e), splat(kRound));
  const VF n = hn::Sub(shifted, splat(kRound));
  VF r = hn::NegMulSub(a, splat(kLog2e), n);
  r = hn::NegMulAdd(a, splat(kLog2eRest), r);
  const VI exponent = hn::ShiftLeft<23>(hn::BitCast(I(), shifted));
  const VF power = hn::BitCast(F(), hn::Add(hn::BitCast(I(), polynomial(r, kExp2)), exponent));
  const VF y = quotient(factor, hn::Add(power, splat(1.0f)));
  const VF zero = hn::Mul(factor, hn::Zero(F()));  // NaN where the factor is infinite
  return hn::IfThenElse(hn::Lt(x, splat(-87.0f)), zero, y);
}
#endif
HWY_INLINE VF sigmoid(VF x) { return sigmoid_of(splat(1.0f), x); }

// x + x P(x^2) near 0, 1 - e^Q(|x|) beyond
HWY_INLINE VF erf(VF x) {
  static constexpr float kP[] = {0.128379166f,     -3.761263229e-1f, 1.128367254e-1f,
                                 -2.685810411e-2f, 5.197796777e-3f,  -8.10596127e-4f,
                                 8.215409463e-5f};
  static constexpr float kQ[] = {1.758833538e-4f, -1.129520866f,   -6.333345645e-1f,
                                 -1.08294046e-1f, 2.512869025e-2f, -4.174668548e-3f,
                                 4.352242896e-4f, -2.116238669e-5f};
  const VF a = at_most(hn::Abs(x), splat(4.05f));
  VF number;
  VF e = exp_near_zero(split_exponent<127>(polynomial(a, kQ), number));
  e = hn::NegMulAdd(e, exponent_of(number), splat(1.0f));
  const VF near = hn::MulAdd(x, polynomial(hn::Mul(a, a), kP), x);
  return hn::IfThenElse(hn::Lt(splat(0.93f), a), hn::CopySign(e, x), near);
}

// |x| <= 8192. `quarter` is added to the count of quarter turns: 0 sine, 1 cosine.
HWY_INLINE VF sine(VF x, int quarter) {
  static constexpr float kSin[] = {-1.666666664e-1f, 8.333329144e-3f, -1.983925657e-4f,
                                   2.717563979e-6f};
  static constexpr float kCos[] = {4.166664565e-2f, -1.388730593e-3f, 2.443119419e-5f};
  const VI n = hn::NearestInt(hn::Mul(x, splat(0.636619772f)));
  const VF k = hn::ConvertTo(F(), n);
  VF r = hn::NegMulAdd(k, splat(1.5703125f), x);  // pi / 2 in three parts
  r = hn::NegMulAdd(k, splat(4.837512969970703e-4f), r);
  r = hn::NegMulAdd(k, splat(7.549789948768648e-8f), r);
  const VF z = hn::Mul(r, r);
  const VF s = hn::MulAdd(hn::Mul(z, r), polynomial(z, kSin), r);
  const VF c =
      hn::MulAdd(hn::Mul(z, z), polynomial(z, kCos), hn::NegMulAdd(z, splat(0.5f), splat(1.0f)));
  const VI turn = hn::Add(n, hn::Set(I(), quarter));
  const auto odd = hn::Ne(hn::And(turn, hn::Set(I(), 1)), hn::Zero(I()));
  const VF y = hn::IfThenElse(hn::RebindMask(F(), odd), c, s);
  const VI flip = hn::ShiftLeft<30>(hn::And(turn, hn::Set(I(), 2)));
  return hn::Xor(y, hn::BitCast(F(), flip));
}

}  // namespace lathe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
