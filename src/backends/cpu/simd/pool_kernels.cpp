// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/pool_kernels.h"

#include "backends/cpu/simd/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/simd/pool_kernels.cpp"
#include "hwy/foreach_target.h"
// Highway's order
#include "backends/cpu/simd/storage-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace lathe::cpu::HWY_NAMESPACE {
namespace {

struct Maximum {
  static VF start() { return hn::Set(F(), -__builtin_inff()); }
  static VF join(VF a, VF b) { return hn::IfThenElse(hn::Or(hn::IsNaN(b), hn::Lt(a, b)), b, a); }
};

struct Sum {
  static VF start() { return hn::Zero(F()); }
  static VF join(VF a, VF b) { return hn::Add(a, b); }
};

// Channels in groups of four vectors, so that each tap's loads have work to overlap with.
template <class Join, class Storage>
void pool(const void* from, const int64_t* offsets, int64_t taps, int64_t n, float scale,
          void* to) {
  const auto* x = static_cast<const typename Storage::T*>(from);
  auto* y = static_cast<typename Storage::T*>(to);
  const auto lanes = static_cast<int64_t>(hn::Lanes(F()));
  const VF factor = hn::Set(F(), scale);
  int64_t c = 0;
  for (; c + 4 * lanes <= n; c += 4 * lanes) {
    VF a0 = Join::start(), a1 = a0, a2 = a0, a3 = a0;
    for (int64_t t = 0; t < taps; ++t) {
      const auto* p = x + offsets[t] + c;
      a0 = Join::join(a0, Storage::load(p));
      a1 = Join::join(a1, Storage::load(p + lanes));
      a2 = Join::join(a2, Storage::load(p + 2 * lanes));
      a3 = Join::join(a3, Storage::load(p + 3 * lanes));
    }
    Storage::store(hn::Mul(a0, factor), y + c);
    Storage::store(hn::Mul(a1, factor), y + c + lanes);
    Storage::store(hn::Mul(a2, factor), y + c + 2 * lanes);
    Storage::store(hn::Mul(a3, factor), y + c + 3 * lanes);
  }
  for (; c < n; c += lanes) {
    const auto part = static_cast<size_t>(n - c < lanes ? n - c : lanes);
    VF a = Join::start();
    for (int64_t t = 0; t < taps; ++t) {
      a = Join::join(a, Storage::load_part(x + offsets[t] + c, part));
    }
    Storage::store_part(hn::Mul(a, factor), y + c, part);
  }
}

constexpr PoolKernel kTable[] = {pool<Maximum, StorageF32>, pool<Maximum, StorageBF16>,
                                 pool<Sum, StorageF32>, pool<Sum, StorageBF16>};

}  // namespace

const PoolKernel* pool_table() { return kTable; }

}  // namespace lathe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lathe::cpu {

HWY_EXPORT(pool_table);

namespace {

PoolKernel kernel_of(int first, DType type) {
  const PoolKernel* table = HWY_DYNAMIC_DISPATCH(pool_table)();
  if (type == DType::F32) return table[first];
  return type == DType::BF16 ? table[first + 1] : nullptr;
}

}  // namespace

PoolKernel max_pool_kernel(DType type) { return kernel_of(0, type); }
PoolKernel mean_pool_kernel(DType type) { return kernel_of(2, type); }

}  // namespace lathe::cpu
#endif
