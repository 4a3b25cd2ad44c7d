// SPDX-License-Identifier: Apache-2.0
#pragma once
// How many CPUs this process may use: what the scheduler grants and the container's quota allow.
// A container of two CPUs on a host of 64 must not start 64 threads.
#include <optional>
#include <string>
#include <string_view>

namespace lathe {

// At least 1; found once. OMP_NUM_THREADS wins where it is set.
int usable_cpus();

// CPUs that the control groups named by the text of /proc/self/cgroup allow, the strictest of
// them and their ancestors, or nothing where none limits. `root` is /sys/fs/cgroup.
std::optional<double> cpu_quota(std::string_view self_cgroup, const std::string& root);

}  // namespace lathe
