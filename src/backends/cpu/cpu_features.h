// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the processor is called and can do, by asking it.
#include <string>

namespace lathe::cpu {

std::string cpu_name();      // "AMD EPYC 9B45"
std::string cpu_features();  // "avx2,avx512,vnni,bf16,amx": those that it has, in this order

}  // namespace lathe::cpu
