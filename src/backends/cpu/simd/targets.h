// SPDX-License-Identifier: Apache-2.0
#pragma once
// Instruction sets that our kernels are compiled for: AVX-512, AVX2 and the baseline. Include
// before any header of Highway. Each further target costs compile time in every file that uses it.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | (1LL << 4) | (1LL << 5) | (1LL << 6))
