// SPDX-License-Identifier: Apache-2.0
#pragma once
// The epilogues that cuBLASLt and cuDNN run inside their kernels: relu(y + vector + tensor), every
// part but y optional.
#include "device/tactic.h"

namespace lathe::cuda {

struct LinearEpilogue {
  bool relu = false;
  int vector = -1;  // operand of the instance that is added along `vector_axis` of y; -1: none
  int tensor = -1;  // operand of the instance of y's shape and layout that is added; -1: none
};

// The anchor's own bias (operand `bias`, -1: it has none) and the fused expression as one; no with
// a reason where they are something else. A vector runs along axis `vector_axis` of y.
Support match_linear(const OpInstance& op, int bias, int vector_axis, LinearEpilogue* into);

}  // namespace lathe::cuda
