// SPDX-License-Identifier: Apache-2.0
#pragma once
// A copy in which some axes are looked up in tables: gathering, nearest neighbours, margins that
// repeat. Bytes move; types do not matter.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lathe::cpu {

class IndexedCopy {
 public:
  struct Axis {
    int64_t size = 1, to_stride = 0;
    int64_t from_stride = 0;     // where there is no table
    std::vector<int64_t> table;  // offset in `from`, in elements, by coordinate
    bool at_launch = false;      // run() is given the table
  };
  IndexedCopy() = default;
  IndexedCopy(std::vector<Axis> axes, int64_t bytes);
  void run(void* to, const void* from, std::span<const int64_t> launch_table = {}) const;

 private:
  std::vector<Axis> axes_;  // all with tables, the outermost of `to` first
  int64_t run_ = 1;         // elements that are contiguous in both, inside all axes
  int64_t bytes_ = 4, count_ = 0;
};

}  // namespace lathe::cpu
