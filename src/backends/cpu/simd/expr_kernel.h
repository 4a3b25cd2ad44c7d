// SPDX-License-Identifier: Apache-2.0
#pragma once
// An expression over many elements: blocks that stay in the first-level cache, one vector kernel
// for each instruction (or for a pair). Other kernels use it for rows as prologue and epilogue.
//
//   ExprKernel silu(*Expr::parse("(a:f32) -> mul(a, sigmoid(a))"));
//   Rows in{x}, out{y};
//   silu.run({&in, 1}, {&out, 1}, 1, n);
//
// FP16 and BF16 chains are computed in f32 and rounded where they are stored, cast or compared.
// Immutable after construction; threads share it. Needs no alignment.
#include <span>
#include <vector>

#include "backends/cpu/simd/expr_tape.h"

namespace lathe::cpu {

// `rows` times `n` elements of a tensor; strides in elements, 0 repeats.
struct Rows {
  void* data = nullptr;
  int64_t stride = 1;  // between neighbours of a row
  int64_t row_stride = 0;
};

class ExprKernel {
 public:
  ExprKernel() = default;
  // A type given for an input or output says how it stands in memory when that is f32 while the
  // expression says f16 or bf16: rows that a kernel holds widened. None or short: the expression's.
  explicit ExprKernel(const Expr& expr, std::span<const DType> in_storage = {},
                      std::span<const DType> out_storage = {});

  bool empty() const { return tape_.outputs == 0; }
  bool reads(int input) const { return tape_.reads[static_cast<size_t>(input)]; }
  // Inputs that are not read may be null. An output may be the memory of an input of equal strides
  // and element size.
  void run(std::span<const Rows> in, std::span<const Rows> out, int64_t rows, int64_t n) const;

 private:
  friend class ExprRun;
  struct Port {
    DType storage = DType::None;
    size_t bytes = 0;  // in memory
    size_t register_bytes = 0;
    Kernel convert = nullptr;  // between memory and register; null: equal
  };
  Tape tape_;
  std::vector<Port> in_, out_;
  size_t buffer_bytes_ = 0;
};

// Strided copies of elements of 1, 2, 4 or 8 bytes: rows x n of them; strides in elements.
struct CopyPlane {
  const void* from;
  void* to;
  int64_t from_row, from_step, to_row, to_step;
};
void copy_plane(const CopyPlane& at, int64_t rows, int64_t n, size_t bytes);

}  // namespace lathe::cpu
