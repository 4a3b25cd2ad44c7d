// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/bf16_kernels.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <limits>

// GCC 12's own headers start masked instructions from an undefined vector.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

namespace lathe::cpu {
namespace {

#define LATHE_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

constexpr int64_t kLanes = 16;

LATHE_BF16 inline __m512 splat(float v) { return _mm512_set1_ps(v); }
// All, or the first `rest` where fewer are left.
LATHE_BF16 inline __mmask16 lanes_of(int64_t rest) {
  return static_cast<__mmask16>(rest >= kLanes ? 0xffff : (1u << rest) - 1);
}
// A NaN stays: Min and Max give their second operand then.
LATHE_BF16 inline __m512 clamp(__m512 x, float low, float high) {
  return _mm512_min_ps(splat(high), _mm512_max_ps(splat(low), x));
}

constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: a sum with it has no fraction

// 2^r for |r| <= 1/2, within 7.5e-5 of itself
LATHE_BF16 inline __m512 power_near_zero(__m512 r) {
  __m512 power = _mm512_fmadd_ps(splat(5.51716685e-2f), r, splat(2.4261114e-1f));
  power = _mm512_fmadd_ps(power, r, splat(6.93260968e-1f));
  return _mm512_fmadd_ps(power, r, splat(9.99928057e-1f));
}

// factor / (1 + 2^t), the quotient by an estimate of 14 bits; past the largest power it is 0. Below
// -126 the power is a denormal, which takes the processor a hundred cycles: callers keep away.
LATHE_BF16 inline __m512 gated(__m512 factor, __m512 t) {
  const __m512 round = splat(kRound);
  const __m512 n = _mm512_sub_ps(_mm512_add_ps(t, round), round);
  const __m512 power = _mm512_scalef_ps(power_near_zero(_mm512_sub_ps(t, n)), n);
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
  const auto of_a = static_cast<int64_t>(args[0].step), of_b = static_cast<int64_t>(args[1].step);
  const auto count = static_cast<int64_t>(n);
  auto* y = static_cast<float*>(out);
  for (int64_t i = 0; i < count; i += kLanes) {
    const __mmask16 lanes = lanes_of(count - i);
    const __m512 from = _mm512_maskz_loadu_ps(lanes, a + i * of_a);
    const __m512 value = Op::of(from, _mm512_maskz_loadu_ps(lanes, b + i * of_b));
    _mm512_mask_storeu_ps(y + i, lanes, value);
  }
}

LATHE_BF16 void store_bf16(const Arg* args, void* out, size_t n) {
  const auto* x = static_cast<const float*>(args[0].at);
  const auto count = static_cast<int64_t>(n);
  auto* y = static_cast<uint16_t*>(out);
  int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    const __m512 low = _mm512_loadu_ps(x + i), high = _mm512_loadu_ps(x + i + kLanes);
    _mm512_storeu_si512(y + i, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
  }
  for (; i < count; i += kLanes) {
    const __mmask16 lanes = lanes_of(count - i);
    const __m256bh narrow = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(lanes, x + i));
    _mm256_mask_storeu_epi16(y + i, lanes, reinterpret_cast<__m256i>(narrow));
  }
}

// Scales and masks the scores in place; their maximum.
LATHE_BF16 float prepare_scores(const ScoreRow& row) {
  const __m512 scale = splat(row.scale);
  __m512 most = splat(-std::numeric_limits<float>::infinity());
  float* const scores = row.scores;
  const float* const mask = row.mask;
  for (int64_t j = 0; j < row.n; j += kLanes) {
    const __mmask16 lanes = lanes_of(row.n - j);
    __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, scores + j), scale);
    if (mask != nullptr) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(lanes, mask + j));
    _mm512_mask_storeu_ps(scores + j, lanes, v);
    most = _mm512_mask_max_ps(most, lanes, most, v);
  }
  return _mm512_reduce_max_ps(most);
}

// e^x for x <= 0; 0 where it would be a denormal.
LATHE_BF16 inline __m512 exp_of_difference(__m512 x) {
  const __m512 round = splat(kRound), log2e = splat(1.44269504f);
  const __m512 n = _mm512_sub_ps(_mm512_fmadd_ps(x, log2e, round), round);
  const __m512 r = _mm512_fmsub_ps(x, log2e, n);
  const __mmask16 some = _mm512_cmp_ps_mask(x, splat(-87.0f), _CMP_GE_OQ);
  return _mm512_maskz_scalef_ps(some, power_near_zero(r), n);
}

LATHE_BF16 void softmax(ScoreRow& row) {
  auto* const p = static_cast<uint16_t*>(row.probabilities);
  const float max = std::max(row.max, prepare_scores(row));
  row.rescale = 1;
  const bool none = max == -std::numeric_limits<float>::infinity();  // masked whole so far
  const int64_t n = none ? 0 : row.n;
  std::fill(p + n, p + row.padded, uint16_t{0});
  if (none) return;
  const __m512 shift = splat(max);
  __m512 sum = _mm512_setzero_ps();
  const float* const scores = row.scores;
  for (int64_t j = 0; j < n; j += kLanes) {
    const __mmask16 lanes = lanes_of(n - j);
    const __m512 x = _mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, scores + j), shift);
    const __m512 e = exp_of_difference(x);
    sum = _mm512_mask_add_ps(sum, lanes, sum, e);
    const __m256bh narrow = _mm512_cvtneps_pbh(e);
    _mm256_mask_storeu_epi16(p + j, lanes, reinterpret_cast<__m256i>(narrow));
  }
  if (row.max != max) {
    const bool first = row.max == -std::numeric_limits<float>::infinity();
    row.rescale = first ? 0.0f : std::exp(row.max - max);
  }
  row.max = max;
  row.sum = row.sum * row.rescale + _mm512_reduce_add_ps(sum);
}

bool has_bf16() {
  static const bool has = __builtin_cpu_supports("avx512bf16") != 0 &&
                          __builtin_cpu_supports("avx512bw") != 0 &&
                          __builtin_cpu_supports("avx512vl") != 0;
  return has;
}

}  // namespace

SoftmaxKernel bf16_softmax() { return has_bf16() ? softmax : nullptr; }

Kernel bf16_kernel(FloatOp op) {
  if (!has_bf16()) return nullptr;
  switch (op) {
    case FloatOp::StoreBF16: return store_bf16;
    case FloatOp::MulSigmoid: return each<MulSigmoid>;
    case FloatOp::Gelu: return each<Gelu>;
    default: return nullptr;
  }
}

}  // namespace lathe::cpu
