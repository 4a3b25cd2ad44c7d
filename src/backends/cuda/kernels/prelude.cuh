// SPDX-License-Identifier: Apache-2.0
// The first part of every kernel's text: element types, conversions, and the scalar functions of
// ops/scalar_ops.def. NVRTC brings no headers, so half precision is PTX and integers are spelled.
typedef long long i64;
typedef unsigned long long u64;
typedef unsigned int u32;
typedef signed char i8;
typedef unsigned char u8;
typedef short i16;
typedef unsigned short u16;
struct f16 {
  u16 bits;
};
struct bf16 {
  u16 bits;
};

// The type that an element is computed in.
template <class T>
struct Compute {
  typedef T type;
};
template <>
struct Compute<f16> {
  typedef float type;
};
template <>
struct Compute<bf16> {
  typedef float type;
};

template <class T>
struct IsFloat {
  static const bool value = false;
};
template <>
struct IsFloat<float> {
  static const bool value = true;
};
template <>
struct IsFloat<double> {
  static const bool value = true;
};

// --- conversions of half types; each rounds once, ties to even
inline float widen(f16 v) {
  float f;
  asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(v.bits));
  return f;
}
inline float widen(bf16 v) { return __uint_as_float((u32)v.bits << 16); }
template <class T>
inline T widen(T v) {
  return v;
}

// A float between the double and zero whose last bit is set where that lost something: rounding it
// to fewer bits gives what rounding the double would have given.
inline float to_odd(double v) {
  float f = __double2float_rz(v);
  if ((double)f != v && v == v) f = __uint_as_float(__float_as_uint(f) | 1u);
  return f;
}
inline u16 half_bits(float v) {
  u16 bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(v));
  return bits;
}
inline u16 bfloat_bits(float v) {
  u32 u = __float_as_uint(v);
  if (v != v) return (u16)((u >> 16) | 0x40);
  return (u16)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

template <class T>
struct Narrow {
  template <class V>
  static T of(V v) {
    return (T)v;
  }
};
template <>
struct Narrow<f16> {
  static f16 of(float v) { return f16{half_bits(v)}; }
  static f16 of(double v) { return f16{half_bits(to_odd(v))}; }
};
template <>
struct Narrow<bf16> {
  static bf16 of(float v) { return bf16{bfloat_bits(v)}; }
  static bf16 of(double v) { return bf16{bfloat_bits(to_odd(v))}; }
};
template <class T, class V>
inline T narrow(V v) {
  return Narrow<T>::of(v);
}
// A value as the element type T holds it.
template <class T, class V>
inline typename Compute<T>::type rounded(V v) {
  return widen(narrow<T>(v));
}

// --- casts to integers and bool
template <class T>
struct Limits {
  static const bool is_signed = (T)-1 < (T)0;
  static const int bits = 8 * sizeof(T);
  static T lowest() { return is_signed ? (T)((u64)1 << (bits - 1)) : (T)0; }
  static T highest() { return is_signed ? (T)(((u64)1 << (bits - 1)) - 1) : (T) ~(u64)0; }
};
template <class F>
inline F power_of_two(int n) {
  F f = 1;
  for (int k = 0; k < n; ++k) f *= 2;
  return f;
}
// Toward zero, saturating; NaN becomes 0.
template <class T, class F>
inline T float_to_int(F v) {
  if (v != v) return 0;
  const F above = power_of_two<F>(Limits<T>::bits - (Limits<T>::is_signed ? 1 : 0));
  const F low = Limits<T>::is_signed ? -above : (F)0;
  if (v <= low) return Limits<T>::lowest();
  if (v >= above) return Limits<T>::highest();
  return (T)v;
}
// Between integers: the value that fits nearest.
template <class T, class S>
inline T saturate_int(S v) {
  if (Limits<S>::is_signed && v < (S)0) {
    return Limits<T>::is_signed && (i64)v >= (i64)Limits<T>::lowest() ? (T)v : Limits<T>::lowest();
  }
  return (u64)v <= (u64)Limits<T>::highest() ? (T)v : Limits<T>::highest();
}

// --- functions of floats (F: float or double)
template <class F>
inline F f_add(F a, F b) {
  return a + b;
}
template <class F>
inline F f_sub(F a, F b) {
  return a - b;
}
template <class F>
inline F f_mul(F a, F b) {
  return a * b;
}
template <class F>
inline F f_div(F a, F b) {
  return a / b;
}
template <class F>
inline F f_min(F a, F b) {
  return a != a ? a : b != b ? b : b < a ? b : a;
}
template <class F>
inline F f_max(F a, F b) {
  return a != a ? a : b != b ? b : a < b ? b : a;
}
template <class F>
inline F f_neg(F a) {
  return -a;
}
template <class F>
inline F f_sign(F a) {
  return a > 0 ? F(1) : a < 0 ? F(-1) : a == 0 ? F(0) : a;
}
template <class F>
inline F f_reciprocal(F a) {
  return F(1) / a;
}
#define FLOAT_FUNCTION(name, single, twice)        \
  inline float name(float a) { return single(a); } \
  inline double name(double a) { return twice(a); }
FLOAT_FUNCTION(f_abs, fabsf, fabs)
FLOAT_FUNCTION(f_exp, expf, exp)
FLOAT_FUNCTION(f_log, logf, log)
FLOAT_FUNCTION(f_log1p, log1pf, log1p)
FLOAT_FUNCTION(f_expm1, expm1f, expm1)
FLOAT_FUNCTION(f_sqrt, sqrtf, sqrt)
FLOAT_FUNCTION(f_sin, sinf, sin)
FLOAT_FUNCTION(f_cos, cosf, cos)
FLOAT_FUNCTION(f_tan, tanf, tan)
FLOAT_FUNCTION(f_asin, asinf, asin)
FLOAT_FUNCTION(f_acos, acosf, acos)
FLOAT_FUNCTION(f_atan, atanf, atan)
FLOAT_FUNCTION(f_sinh, sinhf, sinh)
FLOAT_FUNCTION(f_cosh, coshf, cosh)
FLOAT_FUNCTION(f_tanh, tanhf, tanh)
FLOAT_FUNCTION(f_asinh, asinhf, asinh)
FLOAT_FUNCTION(f_acosh, acoshf, acosh)
FLOAT_FUNCTION(f_atanh, atanhf, atanh)
FLOAT_FUNCTION(f_erf, erff, erf)
FLOAT_FUNCTION(f_floor, floorf, floor)
FLOAT_FUNCTION(f_ceil, ceilf, ceil)
FLOAT_FUNCTION(f_round, rintf, rint)
FLOAT_FUNCTION(f_trunc, truncf, trunc)
inline float f_fmod(float a, float b) { return fmodf(a, b); }
inline double f_fmod(double a, double b) { return fmod(a, b); }
inline float f_pow(float a, float b) { return powf(a, b); }
inline double f_pow(double a, double b) { return pow(a, b); }
inline float with_sign(float a, float b) { return copysignf(a, b); }
inline double with_sign(double a, double b) { return copysign(a, b); }
inline float multiply_add(float a, float b, float c) { return fmaf(a, b, c); }
inline double multiply_add(double a, double b, double c) { return fma(a, b, c); }
inline float f_infinity(float) { return __int_as_float(0x7f800000); }
inline double f_infinity(double) { return __longlong_as_double(0x7ff0000000000000ll); }
template <class F>
inline F infinity() {
  return f_infinity(F(0));
}
// With the sign of b.
template <class F>
inline F f_mod(F a, F b) {
  F r = f_fmod(a, b);
  if (r == 0) return with_sign(F(0), b);
  return (r < 0) != (b < 0) ? r + b : r;
}
template <class F>
inline F f_sigmoid(F a) {
  return F(1) / (F(1) + f_exp(-a));
}
template <class F>
inline bool f_isnan(F a) {
  return a != a;
}
template <class F>
inline bool f_isinf(F a) {
  return a == infinity<F>() || a == -infinity<F>();
}

// --- functions of integers and bool: they wrap; x / 0 and x mod 0 are 0
template <class T>
inline T i_add(T a, T b) {
  return (T)((u64)a + (u64)b);
}
template <class T>
inline T i_sub(T a, T b) {
  return (T)((u64)a - (u64)b);
}
template <class T>
inline T i_mul(T a, T b) {
  return (T)((u64)a * (u64)b);
}
template <class T>
inline T i_neg(T a) {
  return (T)(0 - (u64)a);
}
template <class T>
inline T i_div(T a, T b) {
  if (b == 0) return 0;
  if (Limits<T>::is_signed && b == (T)-1) return i_neg(a);
  return (T)(a / b);
}
template <class T>
inline T i_fmod(T a, T b) {
  if (b == 0 || (Limits<T>::is_signed && b == (T)-1)) return 0;
  return (T)(a % b);
}
template <class T>
inline T i_mod(T a, T b) {
  const T r = i_fmod(a, b);
  return r != 0 && Limits<T>::is_signed && (r < 0) != (b < 0) ? (T)(r + b) : r;
}
template <class T>
inline T i_pow(T base, T exponent) {
  u64 a = (u64)base, e = (u64)exponent, result = 1;
  if (Limits<T>::is_signed && exponent < 0) {
    return base == 1 ? 1 : base == (T)-1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
  }
  for (; e != 0; e >>= 1, a *= a) {
    if (e & 1) result *= a;
  }
  return (T)result;
}
template <class T>
inline T i_min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
inline T i_max(T a, T b) {
  return a < b ? b : a;
}
template <class T>
inline T i_abs(T a) {
  return Limits<T>::is_signed && a < 0 ? i_neg(a) : a;
}
template <class T>
inline T i_sign(T a) {
  return a == 0 ? 0 : Limits<T>::is_signed && a < 0 ? (T)-1 : 1;
}
template <class T>
inline T i_and(T a, T b) {
  return (T)(a & b);
}
template <class T>
inline T i_or(T a, T b) {
  return (T)(a | b);
}
template <class T>
inline T i_xor(T a, T b) {
  return (T)(a ^ b);
}
template <class T>
inline T i_bitnot(T a) {
  return (T)~a;
}
template <class T>
inline T i_shl(T a, T b) {
  return (u64)b >= (u64)Limits<T>::bits ? 0 : (T)((u64)a << (int)b);
}
template <class T>
inline T i_shr(T a, T b) {
  return (u64)b >= (u64)Limits<T>::bits ? 0 : (T)(a >> (int)b);
}

// --- memory
template <class T>
inline typename Compute<T>::type load(const void* base, i64 at) {
  return widen(((const T*)base)[at]);
}
template <class T, class V>
inline void store(void* base, i64 at, V v) {
  ((T*)base)[at] = narrow<T>(v);
}

// Coordinates of linear index `i`, the last dimension fastest. 32 bits where they suffice: a
// division of 64 bits takes many times as long.
template <int R>
inline void unravel(i64 i, const i64* size, i64* c) {
  if ((u64)i >> 32 == 0) {
    u32 rest = (u32)i;
#pragma unroll
    for (int d = R - 1; d >= 0; --d) {
      const u32 s = (u32)size[d];
      c[d] = d == 0 ? rest : rest % s;
      rest = d == 0 ? 0 : rest / s;
    }
    return;
  }
#pragma unroll
  for (int d = R - 1; d >= 0; --d) {
    c[d] = d == 0 ? i : i % size[d];
    i /= size[d];
  }
}
template <int R>
inline i64 dot(const i64* c, const i64* stride) {
  i64 at = 0;
#pragma unroll
  for (int d = 0; d < R; ++d) at += c[d] * stride[d];
  return at;
}

inline i64 thread_index() { return (i64)blockIdx.x * blockDim.x + threadIdx.x; }
inline i64 thread_count() { return (i64)gridDim.x * blockDim.x; }

// The sum, maximum, ... of a value over the threads of a block, known to all of them. `combine` is
// associative; the order is the same each time. `scratch`: 32 elements of shared memory.
template <class V, class F>
inline V across_warp(V v, F combine) {
#pragma unroll
  for (int lane = 16; lane > 0; lane /= 2) v = combine(v, __shfl_xor_sync(0xffffffffu, v, lane));
  return v;
}
template <class V, class F>
inline V across_block(V v, V* scratch, F combine) {
  v = across_warp(v, combine);
  const int warps = blockDim.x / 32;
  if (warps == 1) return v;
  __syncthreads();
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = v;
  __syncthreads();
  v = scratch[0];
  for (int k = 1; k < warps; ++k) v = combine(v, scratch[k]);
  return v;
}
