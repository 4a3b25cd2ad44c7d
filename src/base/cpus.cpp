// SPDX-License-Identifier: Apache-2.0
#include "base/cpus.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace lathe {
namespace {

std::string read_text(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  if (!file) return {};
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  return text;
}

std::optional<double> ratio(double quota, double period) {
  if (quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

// Version 2: "200000 100000", or "max 100000".
std::optional<double> quota_v2(const std::string& folder) {
  std::string text = read_text(folder + "/cpu.max");
  double quota = 0, period = 0;
  if (std::sscanf(text.c_str(), "%lf %lf", &quota, &period) != 2) return std::nullopt;
  return ratio(quota, period);
}

// Version 1: one file each, a quota of -1 for none.
std::optional<double> quota_v1(const std::string& folder) {
  return ratio(std::atof(read_text(folder + "/cpu.cfs_quota_us").c_str()),
               std::atof(read_text(folder + "/cpu.cfs_period_us").c_str()));
}

// The strictest of `group` and its ancestors below `mount`.
using Read = std::optional<double> (*)(const std::string&);
void tighten(std::optional<double>& limit, const std::string& mount, std::string group, Read read) {
  for (;;) {
    auto q = read(mount + group);
    if (q) limit = std::min(*q, limit.value_or(*q));
    size_t slash = group.rfind('/');
    if (slash == std::string::npos) return;
    group.resize(slash);
  }
}

bool lists_cpu(std::string_view controllers) {
  while (!controllers.empty()) {
    size_t comma = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == "cpu") return true;
    controllers.remove_prefix(std::min(comma + 1, controllers.size()));
  }
  return false;
}

int find_usable_cpus() {
  if (const char* set = std::getenv("OMP_NUM_THREADS")) {
    if (int n = std::atoi(set); n > 0) return n;
  }
  cpu_set_t granted;
  int cpus = sched_getaffinity(0, sizeof granted, &granted) == 0 ? CPU_COUNT(&granted) : 1;
  if (auto quota = cpu_quota(read_text("/proc/self/cgroup"), "/sys/fs/cgroup")) {
    cpus = std::min(cpus, static_cast<int>(std::ceil(std::min(*quota, 4096.0))));
  }
  return std::max(cpus, 1);
}

}  // namespace

std::optional<double> cpu_quota(std::string_view self_cgroup, const std::string& root) {
  std::optional<double> limit;
  while (!self_cgroup.empty()) {
    size_t end = std::min(self_cgroup.find('\n'), self_cgroup.size());
    std::string_view line = self_cgroup.substr(0, end);
    self_cgroup.remove_prefix(std::min(end + 1, self_cgroup.size()));
    // hierarchy:controllers:group
    size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    std::string_view controllers = line.substr(first + 1, second - first - 1);
    std::string group(line.substr(second + 1));
    if (controllers.empty()) tighten(limit, root, group, quota_v2);
    if (lists_cpu(controllers)) tighten(limit, root + "/cpu", group, quota_v1);
  }
  return limit;
}

int usable_cpus() {
  static const int count = find_usable_cpus();
  return count;
}

}  // namespace lathe
