// SPDX-License-Identifier: Apache-2.0
// Vectors of f32 from and to memory that holds f32 or bf16, whole or in part. Compiled once for
// each target; include from between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE files only.
#if defined(LATHE_STORAGE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LATHE_STORAGE_INL_H_
#undef LATHE_STORAGE_INL_H_
#else
#define LATHE_STORAGE_INL_H_
#endif

#include <cstring>

#include "backends/cpu/simd/vector_math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lathe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct StorageF32 {
  using T = float;
  static HWY_INLINE VF load(const float* at) { return hn::LoadU(F(), at); }
  static HWY_INLINE void store(VF v, float* at) { hn::StoreU(v, F(), at); }
  static HWY_INLINE VF load_part(const float* at, size_t count) {
    HWY_ALIGN float lanes[hn::MaxLanes(F())] = {};
    std::memcpy(lanes, at, count * sizeof(float));
    return hn::Load(F(), lanes);
  }
  static HWY_INLINE void store_part(VF v, float* at, size_t count) {
    HWY_ALIGN float lanes[hn::MaxLanes(F())];
    hn::Store(v, F(), lanes);
    std::memcpy(at, lanes, count * sizeof(float));
  }
};

struct StorageBF16 {
  using T = uint16_t;
  using U32 = hn::RebindToUnsigned<F>;
  using U16 = hn::Rebind<uint16_t, U32>;

  static HWY_INLINE VF widen(hn::Vec<U16> v) {
    return hn::BitCast(F(), hn::ShiftLeft<16>(hn::PromoteTo(U32(), v)));
  }
  // To nearest, ties to even; NaN stays.
  static HWY_INLINE hn::Vec<U16> narrow(VF v) {
    const auto bits = hn::BitCast(U32(), v);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(U32(), 1));
    const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(U32(), 0x7fff)));
    const auto is_nan = hn::RebindMask(U32(), hn::IsNaN(v));
    const auto kept = hn::IfThenElse(is_nan, hn::Or(bits, hn::Set(U32(), 0x400000)), rounded);
    const hn::RebindToSigned<U32> i32;
    return hn::DemoteTo(U16(), hn::BitCast(i32, hn::ShiftRight<16>(kept)));
  }
  static HWY_INLINE VF load(const uint16_t* at) { return widen(hn::LoadU(U16(), at)); }
  static HWY_INLINE void store(VF v, uint16_t* at) { hn::StoreU(narrow(v), U16(), at); }
  static HWY_INLINE VF load_part(const uint16_t* at, size_t count) {
    HWY_ALIGN uint16_t lanes[hn::MaxLanes(U16())] = {};
    std::memcpy(lanes, at, count * sizeof(uint16_t));
    return widen(hn::Load(U16(), lanes));
  }
  static HWY_INLINE void store_part(VF v, uint16_t* at, size_t count) {
    HWY_ALIGN uint16_t lanes[hn::MaxLanes(U16())];
    hn::Store(narrow(v), U16(), lanes);
    std::memcpy(at, lanes, count * sizeof(uint16_t));
  }
};

}  // namespace lathe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
