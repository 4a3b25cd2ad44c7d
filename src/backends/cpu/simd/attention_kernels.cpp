// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/attention_kernels.h"

#include "backends/cpu/simd/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/attention_kernels.cpp"
#include "hwy/foreach_target.h"
// Highway's order
#include <cmath>
#include <limits>

#include "backends/cpu/simd/bf16_kernels.h"
#include "backends/cpu/simd/storage-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lathe::cpu::HWY_NAMESPACE {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// e^x for x <= 0; 0 where it would be a denormal.
HWY_INLINE VF exp_of_difference(VF x) {
  return hn::IfThenElseZero(hn::Ge(x, splat(-87.0f)), exp_bounded(x));
}

// Scales and masks the scores in place; their maximum.
HWY_INLINE float prepare_scores(const ScoreRow& r) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(F()));
  const VF scale = splat(r.scale);
  VF most = splat(-kInfinity);
  int64_t j = 0;
  for (; j + lanes <= r.n; j += lanes) {
    VF v = hn::Mul(hn::LoadU(F(), r.scores + j), scale);
    if (r.mask != nullptr) v = hn::Add(v, hn::LoadU(F(), r.mask + j));
    hn::StoreU(v, F(), r.scores + j);
    most = hn::Max(most, v);
  }
  float max = hn::GetLane(hn::MaxOfLanes(F(), most));
  for (; j < r.n; ++j) {
    r.scores[j] = r.scores[j] * r.scale + (r.mask != nullptr ? r.mask[j] : 0.0f);
    max = r.scores[j] > max ? r.scores[j] : max;
  }
  return max;
}

template <class Storage>
HWY_INLINE void clear(typename Storage::T* p, int64_t begin, int64_t end) {
  for (int64_t j = begin; j < end; ++j) p[j] = 0;  // the bits of zero in every type
}

template <class Storage>
void softmax(ScoreRow& r) {
  auto* p = static_cast<typename Storage::T*>(r.probabilities);
  const float max = std::max(r.max, prepare_scores(r));
  r.rescale = 1;
  if (max == -kInfinity) return clear<Storage>(p, 0, r.padded);  // masked whole so far
  const auto lanes = static_cast<int64_t>(hn::Lanes(F()));
  const VF shift = splat(max);
  VF sum = hn::Zero(F());
  int64_t j = 0;
  for (; j + lanes <= r.n; j += lanes) {
    const VF e = exp_of_difference(hn::Sub(hn::LoadU(F(), r.scores + j), shift));
    sum = hn::Add(sum, e);
    Storage::store(e, p + j);
  }
  if (j < r.n) {
    const auto part = static_cast<size_t>(r.n - j);
    const VF x = hn::Sub(StorageF32::load_part(r.scores + j, part), shift);
    const VF e = hn::IfThenElseZero(hn::FirstN(F(), part), exp_of_difference(x));
    sum = hn::Add(sum, e);
    Storage::store_part(e, p + j, part);
  }
  clear<Storage>(p, r.n, r.padded);
  if (r.max != max) r.rescale = r.max == -kInfinity ? 0.0f : std::exp(r.max - max);
  r.max = max;
  r.sum = r.sum * r.rescale + hn::GetLane(hn::SumOfLanes(F(), sum));
}

void accumulate(float* total, const float* more, float rescale, int64_t n) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(F()));
  const VF factor = splat(rescale);
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    const VF t = hn::LoadU(F(), total + j);
    hn::StoreU(hn::MulAdd(t, factor, hn::LoadU(F(), more + j)), F(), total + j);
  }
  for (; j < n; ++j) total[j] = total[j] * rescale + more[j];
}

template <class Storage>
void finish(const float* total, float factor, void* to, int64_t n) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(F()));
  auto* y = static_cast<typename Storage::T*>(to);
  const VF f = splat(factor);
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    Storage::store(hn::Mul(hn::LoadU(F(), total + j), f), y + j);
  }
  if (j < n) {
    const auto part = static_cast<size_t>(n - j);
    Storage::store_part(hn::Mul(StorageF32::load_part(total + j, part), f), y + j, part);
  }
}

void bool_mask(const void* from, float* to, int64_t n) {
  const hn::Rebind<uint8_t, F> u8;
  const hn::RebindToUnsigned<F> u32;
  const auto lanes = static_cast<int64_t>(hn::Lanes(F()));
  const auto* seen = static_cast<const uint8_t*>(from);
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    const auto hidden = hn::Eq(hn::PromoteTo(u32, hn::LoadU(u8, seen + j)), hn::Zero(u32));
    hn::StoreU(hn::IfThenElseZero(hn::RebindMask(F(), hidden), splat(-kInfinity)), F(), to + j);
  }
  for (; j < n; ++j) to[j] = seen[j] != 0 ? 0.0f : -kInfinity;
}

void bf16_mask(const void* from, float* to, int64_t n) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(F()));
  const auto* x = static_cast<const uint16_t*>(from);
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) hn::StoreU(StorageBF16::load(x + j), F(), to + j);
  if (j == n) return;
  const auto part = static_cast<size_t>(n - j);
  StorageF32::store_part(StorageBF16::load_part(x + j, part), to + j, part);
}

constexpr AttentionKernels kTable[] = {
    {softmax<StorageF32>, accumulate, bool_mask, bf16_mask, finish<StorageF32>},
    {softmax<StorageBF16>, accumulate, bool_mask, bf16_mask, finish<StorageBF16>},
};

}  // namespace

const AttentionKernels* attention_table() { return kTable; }

}  // namespace lathe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lathe::cpu {

HWY_EXPORT(attention_table);

AttentionKernels attention_kernels(bool bf16) {
  AttentionKernels kernels = HWY_DYNAMIC_DISPATCH(attention_table)()[bf16 ? 1 : 0];
  if (bf16 && bf16_softmax() != nullptr) kernels.softmax = bf16_softmax();
  return kernels;
}

}  // namespace lathe::cpu
#endif
