// SPDX-License-Identifier: Apache-2.0
#pragma once
// The runs of x that indices choose, one after another: GatherND and ScatterND (a tuple of
// coordinates for each run), GatherElements and ScatterElements (runs of one element). Dense
// row-major tensors; bytes move, types do not matter.
#include <cstdint>
#include <vector>

#include "device/tactic.h"

namespace lathe::cpu {

class ChosenRuns {
 public:
  explicit ChosenRuns(const OpInstance& op);
  size_t table_bytes() const { return static_cast<size_t>(count_) * sizeof(int64_t); }

  // Where each run begins in x, in elements. The error names the first index that is out of range.
  Status find(const void* indices, int64_t* table) const;
  // y's runs, side by side, from those of x; in parallel where it pays.
  void gather(const void* x, const int64_t* table, void* y) const;
  // The runs of updates, side by side, to those of y, in order: of two that meet, the last stays.
  void scatter(const void* updates, const int64_t* table, void* y) const;

 private:
  // An axis of x whose coordinate is an index.
  struct Axis {
    int64_t size, stride;
  };
  template <class Index>
  int64_t find(const Index* indices, int64_t* table, int64_t begin, int64_t end) const;
  int64_t index_at(const void* indices, int64_t at) const;
  int64_t base_of(int64_t run) const;

  std::vector<int64_t> index_sizes_;
  std::vector<int64_t> runs_, strides_;  // coordinates of a run, and their strides in x: the base
  std::vector<Axis> chosen_;
  int64_t count_ = 1, run_ = 1, bytes_ = 4;  // runs, and a run's elements
  bool is_i32_ = false;
};

}  // namespace lathe::cpu
