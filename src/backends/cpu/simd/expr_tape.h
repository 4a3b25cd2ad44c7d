// SPDX-License-Identifier: Apache-2.0
#pragma once
// An expression as a tape of block kernels over numbered slots: what ExprKernel runs.
#include <span>
#include <vector>

#include "backends/cpu/simd/kernel.h"
#include "ops/expr.h"

namespace lathe::cpu {

struct TapeStep {
  Kernel run;
  int32_t args[3];
  int32_t out;
};

// Slots in order: inputs, constants, outputs, buffers.
struct Tape {
  int inputs = 0, constants = 0, outputs = 0, buffers = 0;
  std::vector<TapeStep> steps;
  std::vector<std::byte> constant_data;  // kSplatBytes for each constant
  std::vector<bool> reads;               // by input
  std::vector<int32_t> source;           // by output: the slot whose values it takes
  std::vector<bool> direct;              // by output: its memory may be written during the steps

  int first_constant() const { return inputs; }
  int first_output() const { return inputs + constants; }
  int first_buffer() const { return inputs + constants + outputs; }
  int slots() const { return first_buffer() + buffers; }
};

Tape make_tape(const Expr& expr);

}  // namespace lathe::cpu
