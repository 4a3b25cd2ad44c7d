// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/bf16_kernels.h"

#include <immintrin.h>

#include <algorithm>

// GCC 12's own headers start masked instructions from an undefined vector.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

namespace lathe::cpu {
namespace {

#define LATHE_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

constexpr size_t kLanes = 16;

LATHE_BF16 inline __m512 splat(float v) { return _mm512_set1_ps(v); }
LATHE_BF16 inline __mmask16 first(size_t count) {
  return static_cast<__mmask16>((1u << count) - 1);
}
// A NaN stays: Min and Max give their second operand then.
LATHE_BF16 inline __m512 clamp(__m512 x, float low, float high) {
  return _mm512_min_ps(splat(high), _mm512_max_ps(splat(low), x));
}

// factor / (1 + 2^t). 2^t by a polynomial of degree 3 (7.5e-5), the quotient by an estimate of 14
// bits; past the largest power it is 0. Below -126 the power is a denormal, which takes the
// processor a hundred cycles: callers keep away.
LATHE_BF16 inline __m512 gated(__m512 factor, __m512 t) {
  const __m512 round = splat(12582912.0f);  // 1.5 * 2^23
  const __m512 n = _mm512_sub_ps(_mm512_add_ps(t, round), round);
  const __m512 r = _mm512_sub_ps(t, n);
  __m512 power = _mm512_fmadd_ps(splat(5.51716685e-2f), r, splat(2.4261114e-1f));
  power = _mm512_fmadd_ps(power, r, splat(6.93260968e-1f));
  power = _mm512_fmadd_ps(power, r, splat(9.99928057e-1f));
  power = _mm512_scalef_ps(power, n);
  return _mm512_mul_ps(factor, _mm512_rcp14_ps(_mm512_add_ps(power, splat(1.0f))));
}

struct MulSigmoid {
  LATHE_BF16 static __m512 of(__m512 a, __m512 b) {
    return gated(a, _mm512_mul_ps(clamp(b, -100.0f, 87.0f), splat(-1.44269504f)));
  }
};

// a / 2 * (1 + erf(u)) with u = a * b is a / (1 + 2^t), t = log2((1 - erf u) / (1 + erf u)): an odd
// function, here u P(u^2), within 4.4e-4 for |u| <= 4.
struct Gelu {
  LATHE_BF16 static __m512 of(__m512 a, __m512 b) {
    constexpr float kP[] = {-3.25408377f,    -3.01052177e-1f, 3.93547177e-3f, 7.02335094e-4f,
                            -8.37413696e-5f, 3.89166008e-6f,  -6.81747368e-8f};
    const __m512 u = clamp(_mm512_mul_ps(a, b), -40.0f, 12.0f);
    const __m512 z = _mm512_min_ps(splat(16.0f), _mm512_mul_ps(u, u));
    __m512 p = splat(kP[6]);
    for (int k = 5; k >= 0; --k) p = _mm512_fmadd_ps(p, z, splat(kP[k]));
    return gated(a, _mm512_mul_ps(u, p));
  }
};

template <class Op>
LATHE_BF16 void each(const Arg* args, void* out, size_t n) {
  const auto* a = static_cast<const float*>(args[0].at);
  const auto* b = static_cast<const float*>(args[1].at);
  const size_t of_a = args[0].step, of_b = args[1].step;
  auto* y = static_cast<float*>(out);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const __m512 from = _mm512_loadu_ps(a + i * of_a);
    _mm512_storeu_ps(y + i, Op::of(from, _mm512_loadu_ps(b + i * of_b)));
  }
  const __mmask16 rest = first(n - i);
  const __m512 from = _mm512_maskz_loadu_ps(rest, a + i * of_a);
  const __m512 value = Op::of(from, _mm512_maskz_loadu_ps(rest, b + i * of_b));
  _mm512_mask_storeu_ps(y + i, rest, value);
}

LATHE_BF16 void store_bf16(const Arg* args, void* out, size_t n) {
  const auto* x = static_cast<const float*>(args[0].at);
  auto* y = static_cast<uint16_t*>(out);
  size_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    const __m512 low = _mm512_loadu_ps(x + i), high = _mm512_loadu_ps(x + i + kLanes);
    _mm512_storeu_si512(y + i, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
  }
  for (; i < n; i += kLanes) {
    const __mmask16 lanes = first(std::min(kLanes, n - i));
    const __m256bh narrow = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(lanes, x + i));
    _mm256_mask_storeu_epi16(y + i, lanes, reinterpret_cast<__m256i>(narrow));
  }
}

}  // namespace

Kernel bf16_kernel(FloatOp op) {
  static const bool has = __builtin_cpu_supports("avx512bf16") != 0 &&
                          __builtin_cpu_supports("avx512bw") != 0 &&
                          __builtin_cpu_supports("avx512vl") != 0;
  if (!has) return nullptr;
  switch (op) {
    case FloatOp::StoreBF16: return store_bf16;
    case FloatOp::MulSigmoid: return each<MulSigmoid>;
    case FloatOp::Gelu: return each<Gelu>;
    default: return nullptr;
  }
}

}  // namespace lathe::cpu
