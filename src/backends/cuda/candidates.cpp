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

std::vector<Config> candidates(int count, DType type, const DeviceInfo& device) {
  std::vector<Config> all;
  auto add = [&](const char* more) {
    for (int k = 0; k < count; ++k) all.push_back(fmt::format("candidate={}{}", k, more));
  };
  if (device.tf32 && type == DType::F32) add(" tf32=1");
  add("");
  return all;
}

}  // namespace lathe::cuda
