// SPDX-License-Identifier: Apache-2.0
#pragma once
// The text of a kernel: the prelude, what an instance's types and expressions generate, and the
// device half of a tactic's file. Sizes never appear: they are arguments (kernel.h).
//
// What a device half finds, of an instance with R = RANK dimensions at most:
//   struct Args                    pointers, sizes and strides, as KernelArgs (kernel.h) lays them
//   I0, I1, ...; Y; O0, ...        element types of operands, of the anchor's result, of outputs
//   load_x(a, c)                   operand 0 at coordinates c, its prologue applied
//   unravel_out(i, a, c)           coordinates of element i of the output in memory order
//   finish(a, c, value)            rounds the anchor's value, applies the epilogue, stores
#include <string>
#include <string_view>

#include "device/tactic.h"

namespace lathe::cuda {

// The device half of tactics/NAME.cu, or kernels/NAME.cuh. Made by embed_kernels.cmake.
std::string_view device_text(std::string_view name);

inline constexpr int kMaxRank = 8;

// The types before and behind the expressions of a fusion.
const TensorType& anchor_operand(const OpInstance& op, size_t k);
const TensorType& anchor_result(const OpInstance& op, size_t k);
size_t anchor_operands(const OpInstance& op);

// Ranks, types, layouts and expressions that the generated kernels handle. `prologue`: whether the
// kernel reads operand 0 through load_x.
Support check_generated(const OpInstance& op, bool prologue);

// Prelude, declarations and the device half `name`; `defines` are lines of the tactic's own, and
// `functions` what it generates on top of the declarations.
std::string kernel_source(const OpInstance& op, std::string_view name,
                          const std::string& defines = "", const std::string& functions = "");

// "#define NAME VALUE\n".
template <class T>
std::string define(std::string_view name, const T& value) {
  return fmt::format("#define {} {}\n", name, value);
}

}  // namespace lathe::cuda
