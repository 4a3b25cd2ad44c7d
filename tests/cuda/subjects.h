// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the CUDA tactics are tried on: every operator's cases, as they stand, in NHWC, with an
// epilogue, with a prologue, and with operands and results that are slices of larger tensors.
#include <string>
#include <vector>

#include "ops/op.h"

namespace lathe {

struct CudaSubject {
  std::string where;  // "softmax.cases:3: ... with an epilogue"
  OpInstance op;
  std::vector<HostTensor> inputs;
};

// The environment variable LATHE_SHARD="3/16" takes every 16th, from the third.
std::vector<CudaSubject> subjects();

}  // namespace lathe
