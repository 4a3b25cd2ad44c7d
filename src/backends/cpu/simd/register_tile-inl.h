// SPDX-License-Identifier: Apache-2.0
// What the registers of a target hold of a product's sums. Compiled once for each target; include
// from between HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE files only.
#if defined(LATHE_REGISTER_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef LATHE_REGISTER_TILE_INL_H_
#undef LATHE_REGISTER_TILE_INL_H_
#else
#define LATHE_REGISTER_TILE_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lathe::cpu::HWY_NAMESPACE {

constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3;  // 32, else 16

// Rows whose sums fit beside `vectors` of weights and one factor.
constexpr int tile_rows(int vectors) {
  if (vectors < 3) return kManyRegisters ? 14 : 6;
  if (vectors == 3) return kManyRegisters ? 9 : 4;
  return kManyRegisters ? 6 : 2;
}
// Steps of the summed dimension for each turn of the loop.
constexpr int kUnroll = HWY_TARGET == HWY_AVX2 ? 4 : kManyRegisters ? 2 : 1;

}  // namespace lathe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
