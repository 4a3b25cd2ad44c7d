// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/candidates.h"

#include <algorithm>
#include <charconv>

namespace lathe::cuda {

int candidate_of(const Config& config) {
  int k = 0;
  const size_t at = config.find('=');
  if (at != Config::npos) {
    (void)std::from_chars(config.data() + at + 1, config.data() + config.size(), k);
  }
  return std::max(k, 0);
}

bool allows_tf32(const Config& config) { return config.find("tf32=1") != Config::npos; }

std::vector<Config> candidates(int count, DType type, const DeviceInfo& device) {
  const bool tf32 = device.tf32 && type == DType::F32;
  std::vector<Config> all;
  for (int k = 0; k < count; ++k) {
    all.push_back(fmt::format("candidate={}{}", k, tf32 ? " tf32=1" : ""));
  }
  return all;
}

}  // namespace lathe::cuda
