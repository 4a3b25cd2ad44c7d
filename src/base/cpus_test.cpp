// SPDX-License-Identifier: Apache-2.0
#include "base/cpus.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace lathe {
namespace {

class CpuQuota : public testing::Test {
 protected:
  CpuQuota() : root_(testing::TempDir() + "lathe_cpu_quota") { std::filesystem::remove_all(root_); }
  ~CpuQuota() override { std::filesystem::remove_all(root_); }

  void write(const std::string& file, const std::string& text) {
    std::filesystem::path path(root_ + file);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }

  std::string root_;
};

TEST_F(CpuQuota, IsReadFromVersionTwo) {
  write("/cpu.max", "150000 100000\n");
  EXPECT_EQ(cpu_quota("0::/\n", root_), 1.5);
  write("/cpu.max", "max 100000\n");
  EXPECT_EQ(cpu_quota("0::/\n", root_), std::nullopt);
}

TEST_F(CpuQuota, IsTheStrictestOfTheAncestors) {
  write("/a/cpu.max", "200000 100000\n");
  write("/a/b/cpu.max", "800000 100000\n");
  EXPECT_EQ(cpu_quota("0::/a/b\n", root_), 2);
  EXPECT_EQ(cpu_quota("0::/a/b/missing\n", root_), 2);
}

TEST_F(CpuQuota, IsReadFromVersionOne) {
  write("/cpu/docker/cpu.cfs_quota_us", "300000\n");
  write("/cpu/docker/cpu.cfs_period_us", "100000\n");
  write("/cpu/cpu.cfs_quota_us", "-1\n");
  write("/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota("5:cpuset:/\n4:cpu,cpuacct:/docker\n0::/\n", root_), 3);
}

TEST_F(CpuQuota, IsAbsentWithoutGroupsOrWithOddText) {
  EXPECT_EQ(cpu_quota("", root_), std::nullopt);
  EXPECT_EQ(cpu_quota("nonsense\n::\n:", root_), std::nullopt);
  write("/cpu.max", "-5 0");
  EXPECT_EQ(cpu_quota("0::/", root_), std::nullopt);
}

TEST(UsableCpus, IsAtLeastOne) { EXPECT_GE(usable_cpus(), 1); }

}  // namespace
}  // namespace lathe
