// SPDX-License-Identifier: Apache-2.0
// Block kernels of f32, for each target.
#include "backends/cpu/simd/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/float_kernels.cpp"
#include "hwy/foreach_target.h"
// Highway's order
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backends/cpu/simd/kernel.h"
#include "backends/cpu/simd/vector_math-inl.h"
#include "hwy/highway.h"
#include "tensor/half.h"

HWY_BEFORE_NAMESPACE();
namespace lathe::cpu::HWY_NAMESPACE {
namespace {

// y = Op(a, b, c) over a block; operands that Op does not take are not read. kHeld: b and c are one
// value each and stay in registers.
template <class Op, bool kHeld>
void loop(const Arg* args, float* y, size_t n) {
  constexpr int kArity = Op::kArity;
  const size_t lanes = hn::Lanes(F());
  const float* a[3] = {};
  size_t step[3] = {};
  for (int k = 0; k < kArity; ++k) {
    a[k] = static_cast<const float*>(args[k].at), step[k] = args[k].step;
  }
  const VF held1 = kHeld ? hn::LoadU(F(), a[1]) : splat(0.0f);
  const VF held2 = kHeld && kArity > 2 ? hn::LoadU(F(), a[2]) : held1;
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const VF x0 = hn::LoadU(F(), a[0] + i * step[0]);
    const VF x1 = kHeld ? held1 : kArity > 1 ? hn::LoadU(F(), a[1] + i * step[1]) : x0;
    const VF x2 = kHeld ? held2 : kArity > 2 ? hn::LoadU(F(), a[2] + i * step[2]) : x0;
    hn::StoreU(Op()(x0, x1, x2), F(), y + i);
  }
  if (i == n) return;
  const size_t rest = n - i;
  const VF x0 = load_part(a[0] + i * step[0], rest);
  const VF x1 = kHeld ? held1 : kArity > 1 ? load_part(a[1] + i * step[1], rest) : x0;
  const VF x2 = kHeld ? held2 : kArity > 2 ? load_part(a[2] + i * step[2], rest) : x0;
  store_part(Op()(x0, x1, x2), y + i, rest);
}

template <class Op>
void each(const Arg* args, void* out, size_t n) {
  auto* y = static_cast<float*>(out);
  if constexpr (Op::kArity > 1) {
    if (args[1].step == 0 && (Op::kArity == 2 || args[2].step == 0)) {
      return loop<Op, true>(args, y, n);
    }
  }
  loop<Op, false>(args, y, n);
}

using MF = hn::Mask<F>;
HWY_INLINE VF truth(MF m) {
  return hn::BitCast(F(), hn::IfThenElseZero(hn::RebindMask(I(), m), hn::Set(I(), 1)));
}
HWY_INLINE VF of_int(VI v) { return hn::BitCast(F(), v); }

#define UNARY(name, expression)                                         \
  struct name {                                                         \
    static constexpr int kArity = 1;                                    \
    HWY_INLINE VF operator()(VF a, VF, VF) const { return expression; } \
  };
#define BINARY(name, expression)                                          \
  struct name {                                                           \
    static constexpr int kArity = 2;                                      \
    HWY_INLINE VF operator()(VF a, VF b, VF) const { return expression; } \
  };
#define TERNARY(name, expression)                                           \
  struct name {                                                             \
    static constexpr int kArity = 3;                                        \
    HWY_INLINE VF operator()(VF a, VF b, VF c) const { return expression; } \
  };

BINARY(Add, hn::Add(a, b))
BINARY(Sub, hn::Sub(a, b))
BINARY(Mul, hn::Mul(a, b))
BINARY(Div, hn::Div(a, b))
BINARY(Min, hn::IfThenElse(is_nan(b), b, at_most(a, b)))
BINARY(Max, hn::IfThenElse(is_nan(b), b, at_least(a, b)))
UNARY(Neg, hn::Neg(a))
UNARY(Abs, hn::Abs(a))
UNARY(Sign, hn::IfThenElse(hn::Eq(a, splat(0.0f)), splat(0.0f),
                           hn::IfThenElse(is_nan(a), a, hn::CopySign(splat(1.0f), a))))
UNARY(Exp, exp(a))
UNARY(Log, log(a))
UNARY(Log1p, log1p(a))
UNARY(Expm1, expm1(a))
UNARY(Sqrt, hn::Sqrt(a))
UNARY(Reciprocal, hn::Div(splat(1.0f), a))
UNARY(Tanh, tanh(a))
UNARY(Erf, erf(a))
UNARY(Sigmoid, sigmoid(a))
UNARY(Floor, hn::Floor(a))
UNARY(Ceil, hn::Ceil(a))
UNARY(Round, hn::Round(a))
UNARY(Trunc, hn::Trunc(a))
UNARY(IsNan, truth(is_nan(a)))
UNARY(IsInf, truth(hn::Eq(hn::Abs(a), splat(HUGE_VALF))))
BINARY(Equal, truth(hn::Eq(a, b)))
BINARY(NotEqual, truth(hn::Not(hn::Eq(a, b))))
BINARY(Less, truth(hn::Lt(a, b)))
BINARY(LessEqual, truth(hn::Le(a, b)))
TERNARY(Select,
        hn::IfThenElse(hn::RebindMask(F(), hn::Ne(hn::BitCast(I(), a), hn::Zero(I()))), b, c))
TERNARY(MulAdd, hn::MulAdd(a, b, c))
TERNARY(SubMul, hn::NegMulAdd(a, b, c))
UNARY(Relu, at_least(a, splat(0.0f)))
BINARY(AddRelu, at_least(hn::Add(a, b), splat(0.0f)))
TERNARY(Clamp, at_most(at_least(a, b), c))
BINARY(MulSigmoid, sigmoid_of(a, b))
BINARY(Gelu, hn::Mul(hn::Mul(a, splat(0.5f)), hn::Add(splat(1.0f), erf(hn::Mul(a, b)))))
UNARY(Cube, hn::Mul(hn::Mul(a, a), a))
UNARY(RootOf, hn::IfThenElse(hn::Eq(a, splat(-HUGE_VALF)), splat(HUGE_VALF), hn::Sqrt(a)))
UNARY(FromI32, hn::ConvertTo(F(), hn::BitCast(I(), a)))
UNARY(ToBool, truth(hn::Not(hn::Eq(a, splat(0.0f)))))

// Bounds are exact in f32; the upper one of i32 is one too large and put right after.
HWY_INLINE VF to_int(VF a, float low, float high) {
  const VF number = hn::IfThenElseZero(hn::Eq(a, a), a);
  return of_int(hn::ConvertTo(I(), at_most(at_least(number, splat(low)), splat(high))));
}
UNARY(ToI8, to_int(a, -128.0f, 127.0f))
UNARY(ToU8, to_int(a, 0.0f, 255.0f))
UNARY(ToI16, to_int(a, -32768.0f, 32767.0f))
UNARY(ToU16, to_int(a, 0.0f, 65535.0f))
UNARY(ToI32, hn::IfThenElse(hn::Le(splat(0x1p31f), a), of_int(hn::Set(I(), 0x7fffffff)),
                            to_int(a, -0x1p31f, 0x1.fffffep30f)))

// NaN: quiet, the upper bits kept.
HWY_INLINE VI bf16_bits(VF a) {
  const VI bits = hn::BitCast(I(), a);
  const VI odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(I(), 1));
  const VI rounded = hn::Add(bits, hn::Add(odd, hn::Set(I(), 0x7fff)));
  const VI quiet = hn::Or(bits, hn::Set(I(), 0x400000));
  return hn::IfThenElse(hn::RebindMask(I(), is_nan(a)), quiet, rounded);
}
UNARY(RoundBF16, of_int(hn::And(bf16_bits(a), hn::Set(I(), static_cast<int32_t>(0xffff0000)))))

#undef UNARY
#undef BINARY
#undef TERNARY

// Sine (0) or cosine (1); a vector with a large argument goes to the C library.
template <int kQuarter>
struct Wave {
  static constexpr int kArity = 1;
  HWY_INLINE VF operator()(VF x, VF, VF) const {
    if (HWY_LIKELY(hn::AllTrue(F(), hn::Le(hn::Abs(x), splat(8192.0f))))) return sine(x, kQuarter);
    HWY_ALIGN float v[hn::MaxLanes(F())];
    hn::Store(x, F(), v);
    for (size_t k = 0; k < hn::Lanes(F()); ++k) v[k] = kQuarter ? std::cos(v[k]) : std::sin(v[k]);
    return hn::Load(F(), v);
  }
};

using U16 = hn::Rebind<uint16_t, F>;

void load_bf16(const Arg* args, void* out, size_t n) {
  const auto* x = static_cast<const uint16_t*>(args[0].at);
  auto* y = static_cast<float*>(out);
  const size_t lanes = hn::Lanes(F());
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const VI wide = hn::PromoteTo(I(), hn::LoadU(U16(), x + i));
    hn::StoreU(of_int(hn::ShiftLeft<16>(wide)), F(), y + i);
  }
  for (; i < n; ++i) {
    const uint32_t bits = static_cast<uint32_t>(x[i]) << 16;
    std::memcpy(y + i, &bits, 4);
  }
}

void store_bf16(const Arg* args, void* out, size_t n) {
  const auto* x = static_cast<const float*>(args[0].at);
  auto* y = static_cast<uint16_t*>(out);
  const size_t lanes = hn::Lanes(F());
  const hn::RebindToUnsigned<F> u;
  for (size_t i = 0; i < n; i += lanes) {
    const size_t count = std::min(lanes, n - i);
    const VF v = count == lanes ? hn::LoadU(F(), x + i) : load_part(x + i, count);
    // 16 bits in an int32 pass the saturating narrowing unchanged.
    const auto high = hn::BitCast(I(), hn::ShiftRight<16>(hn::BitCast(u, bf16_bits(v))));
    HWY_ALIGN uint16_t part[hn::MaxLanes(U16())];
    const auto narrow = hn::DemoteTo(U16(), high);
    if (count == lanes) {
      hn::StoreU(narrow, U16(), y + i);
    } else {
      hn::Store(narrow, U16(), part);
      std::memcpy(y + i, part, count * 2);
    }
  }
}

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET <= HWY_AVX3  // have the F16C instructions
using H16 = hn::Rebind<hwy::float16_t, F>;
HWY_INLINE size_t load_f16_vectors(const uint16_t* x, float* y, size_t n) {
  size_t i = 0;
  for (; i + hn::Lanes(F()) <= n; i += hn::Lanes(F())) {
    const auto half = hn::LoadU(H16(), reinterpret_cast<const hwy::float16_t*>(x + i));
    hn::StoreU(hn::PromoteTo(F(), half), F(), y + i);
  }
  return i;
}
HWY_INLINE size_t store_f16_vectors(const float* x, uint16_t* y, size_t n) {
  size_t i = 0;
  for (; i + hn::Lanes(F()) <= n; i += hn::Lanes(F())) {
    const auto half = hn::DemoteTo(H16(), hn::LoadU(F(), x + i));
    hn::StoreU(half, H16(), reinterpret_cast<hwy::float16_t*>(y + i));
  }
  return i;
}
#else
size_t load_f16_vectors(const uint16_t*, float*, size_t) { return 0; }
size_t store_f16_vectors(const float*, uint16_t*, size_t) { return 0; }
#endif

void load_f16(const Arg* args, void* out, size_t n) {
  const auto* x = static_cast<const uint16_t*>(args[0].at);
  auto* y = static_cast<float*>(out);
  for (size_t i = load_f16_vectors(x, y, n); i < n; ++i) y[i] = half_to_float(x[i]);
}
void store_f16(const Arg* args, void* out, size_t n) {
  const auto* x = static_cast<const float*>(args[0].at);
  auto* y = static_cast<uint16_t*>(out);
  for (size_t i = store_f16_vectors(x, y, n); i < n; ++i) y[i] = float_to_half(x[i]);
}
void round_f16(const Arg* args, void* out, size_t n) {
  constexpr size_t kPart = 256;
  uint16_t part[kPart];
  const auto* x = static_cast<const float*>(args[0].at);
  auto* y = static_cast<float*>(out);
  if (args[0].step == 0) return std::fill(y, y + n, half_to_float(float_to_half(*x)));
  for (size_t i = 0; i < n; i += kPart) {
    const size_t count = std::min(kPart, n - i);
    const Arg from{x + i, 1}, to{part, 1};
    store_f16(&from, part, count);
    load_f16(&to, y + i, count);
  }
}

// In the order of FloatOp.
constexpr Kernel kTable[] = {
    each<Add>,       each<Sub>,        each<Mul>,      each<Div>,   each<Min>,
    each<Max>,       each<Neg>,        each<Abs>,      each<Sign>,  each<Exp>,
    each<Log>,       each<Log1p>,      each<Expm1>,    each<Sqrt>,  each<Reciprocal>,
    each<Wave<0>>,   each<Wave<1>>,    each<Tanh>,     each<Erf>,   each<Sigmoid>,
    each<Floor>,     each<Ceil>,       each<Round>,    each<Trunc>, each<IsNan>,
    each<IsInf>,     each<Equal>,      each<NotEqual>, each<Less>,  each<LessEqual>,
    each<Select>,    each<MulAdd>,     each<SubMul>,   each<Relu>,  each<AddRelu>,
    each<Clamp>,     each<MulSigmoid>, each<Gelu>,     each<Cube>,  each<RootOf>,
    load_f16,        load_bf16,        store_f16,      store_bf16,  round_f16,
    each<RoundBF16>, each<ToI8>,       each<ToI16>,    each<ToI32>, each<ToU8>,
    each<ToU16>,     each<ToBool>,     each<FromI32>,
};
static_assert(std::size(kTable) == static_cast<size_t>(FloatOp::Count));

}  // namespace

const Kernel* table() { return kTable; }

}  // namespace lathe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lathe::cpu {

HWY_EXPORT(table);
const Kernel* float_kernels() { return HWY_DYNAMIC_DISPATCH(table)(); }

}  // namespace lathe::cpu
#endif
