// SPDX-License-Identifier: Apache-2.0
#pragma once
// Aliases of a plan's tensors followed to the memory that they share, and what has been written of
// it so far: the part of verify() that keeps a stranger's plan inside its own memory.
#include <map>
#include <vector>

#include "engine/plan.h"

namespace lathe {

// Borrows the plan. resolve() first; everything else trusts what it checked.
class Storage {
 public:
  explicit Storage(const Plan& plan) : plan_(plan) {}

  // Refuses cycles, and aliases of what is no dense tensor. Indices were checked before.
  Status resolve();
  TensorId root(TensorId t) const { return root_[static_cast<size_t>(t)]; }
  // One run of bytes: a whole, a renamed whole, or a part with nothing around it.
  bool dense(TensorId t) const { return dense_[static_cast<size_t>(t)]; }

  // Notes that a step writes the tensor; refuses what was written before, whole or in parts.
  Status write(TensorId t);
  // Whether all of it was written, by itself, as a part of what was, or part by part.
  bool readable(TensorId t);

 private:
  const PlanTensor& at(TensorId t) const { return plan_.tensors[static_cast<size_t>(t)]; }
  bool whole_of_parts(TensorId t);
  bool inside_written_part(TensorId t) const;

  const Plan& plan_;
  std::vector<TensorId> root_;
  std::vector<bool> dense_;
  std::vector<bool> written_, complete_;             // by a step; part by part
  std::vector<bool> touched_;                        // it or a part of it was written
  std::map<TensorId, std::vector<TensorId>> parts_;  // by whole
};

}  // namespace lathe
