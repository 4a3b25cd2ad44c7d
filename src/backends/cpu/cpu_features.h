// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the processor is called and can do, by asking it.
#include <cstdint>
#include <string>

namespace lathe::cpu {

std::string cpu_name();        // "AMD EPYC 9B45"
std::string cpu_features();    // "avx2,avx512,vnni,bf16,amx": those that it has, in this order
int64_t second_level_cache();  // bytes of a core's; 1 MiB where the system does not say

}  // namespace lathe::cpu
