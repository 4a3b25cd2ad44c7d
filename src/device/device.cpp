// SPDX-License-Identifier: Apache-2.0
#include "device/device.h"

#include "base/status.h"

namespace lathe {

bool DeviceInfo::has(std::string_view feature) const {
  std::string_view rest = features;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    if (rest.substr(0, comma) == feature) return true;
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return false;
}

std::string DeviceInfo::key() const {
  return fmt::format("{}|{}|{}|threads={}{}", name, features, libraries, threads,
                     tf32 ? "|tf32" : "");
}

}  // namespace lathe
