// SPDX-License-Identifier: Apache-2.0
// The backends by name. A new backend is a line in open_devices and one in devices().
#include <charconv>

#include "api/api_state.h"
#include "backends/cpu/cpu_device.h"
#include "backends/cuda/cuda_device.h"
#include "base/parallel.h"

namespace lathe {

Result<int> cuda_ordinal(const std::string& id) {
  if (id == "cuda") return cuda::current_device();
  if (!id.starts_with("cuda:")) return invalid("device '{}': expected cpu, cuda or cuda:N", id);
  int ordinal = -1;
  const char* begin = id.data() + 5;
  const char* end = id.data() + id.size();
  const auto r = std::from_chars(begin, end, ordinal);
  if (r.ec != std::errc() || r.ptr != end || ordinal < 0) {
    return invalid("device '{}': expected cpu, cuda or cuda:N", id);
  }
  return ordinal;
}

Result<OpenDevices> open_devices(const std::string& id, int threads) {
  LATHE_TRY(check_threads(threads));
  OpenDevices devices;
  devices.host = cpu::make_cpu_device(threads);
  if (id == "cpu") return devices;
  const int ordinal = LATHE_TRY(cuda_ordinal(id));
  devices.gpu = LATHE_TRY(cuda::make_cuda_device(ordinal, *devices.host));
  return devices;
}

std::vector<DeviceDescription> devices() {
  std::vector<DeviceDescription> all;
  const DeviceInfo cpu = cpu::make_cpu_device(0)->info();
  all.push_back({"cpu", cpu.name, cpu.features, cpu.libraries, ""});
  for (int n = 0; n < cuda::device_count(); ++n) {
    DeviceDescription d;
    d.id = fmt::format("cuda:{}", n);
    Result<OpenDevices> open = open_devices(d.id, 0);
    if (open.ok()) {
      const DeviceInfo& info = open->main().info();
      d.name = info.name;
      d.features = info.features;
      d.libraries = info.libraries;
    } else {
      d.error = open.status().message();
    }
    all.push_back(std::move(d));
  }
  if (all.size() == 1) {
    Result<OpenDevices> why = open_devices("cuda", 0);
    if (!why.ok()) all.push_back({"cuda", "", "", "", why.status().message()});
  }
  return all;
}

}  // namespace lathe
