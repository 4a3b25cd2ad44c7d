// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/cpu_features.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

namespace lathe::cpu {

std::string cpu_name() {
  constexpr unsigned kBrand = 0x80000002;  // this leaf and the next two hold 48 characters
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(0x80000000, &a, &b, &c, &d) == 0 || a < kBrand + 2) return "x86-64";
  char text[49] = {};
  for (unsigned leaf = 0; leaf < 3; ++leaf) {
    unsigned words[4];
    __cpuid(kBrand + leaf, words[0], words[1], words[2], words[3]);
    std::memcpy(text + 16 * leaf, words, 16);
  }
  std::string name(text);
  const size_t begin = name.find_first_not_of(' '), end = name.find_last_not_of(' ');
  return begin == std::string::npos ? "x86-64" : name.substr(begin, end - begin + 1);
}

namespace {

// Whether the processor multiplies tiles of BF16 and the system lets this process use them: their
// 8 KB of registers are granted on demand.
bool tiles_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kBf16) == 0 || (d & kTile) == 0) {
    return false;
  }
  constexpr int kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

}  // namespace

std::string cpu_features() {
  std::string text;
  auto add = [&](bool has, const char* word) {
    if (has) text += (text.empty() ? "" : ",") + std::string(word);
  };
  __builtin_cpu_init();
  add(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), "avx2");
  add(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"),
      "avx512");
  add(__builtin_cpu_supports("avx512vnni"), "vnni");
  add(__builtin_cpu_supports("avx512bf16"), "bf16");
  add(tiles_bf16(), "amx");
  return text;
}

int64_t second_level_cache() {
  static const int64_t bytes = [] {
    const long told = sysconf(_SC_LEVEL2_CACHE_SIZE);
    return static_cast<int64_t>(told > 0 ? told : 1 << 20);
  }();
  return bytes;
}

}  // namespace lathe::cpu
