// SPDX-License-Identifier: Apache-2.0
#pragma once
// For tests: the kernels of tiles that this processor runs.
#include <string>
#include <vector>

#include "backends/cpu/cpu_device.h"

namespace lathe::cpu {

inline std::vector<std::string> tile_kernel_names() {
  std::vector<std::string> names{"portable"};
  for (const char* name : {"bf16", "amx"}) {
    if (make_cpu_device()->info().has(name)) names.emplace_back(name);
  }
  return names;
}

}  // namespace lathe::cpu
