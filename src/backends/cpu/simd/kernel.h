// SPDX-License-Identifier: Apache-2.0
#pragma once
// Kernels that compute one scalar instruction over a block of elements, and tables of them. A block
// stands in registers of four kinds: floats of 32 bits and fewer as f32, f64, integers of 32 bits
// and fewer and bool as 32 bits (sign- or zero-extended, bool 0 or 1), 64-bit integers.
#include <cstddef>
#include <cstdint>

#include "ops/expr.h"

namespace lathe::cpu {

constexpr size_t kSplatBytes = 64;  // the widest vector

// An operand: an array (step 1), or kSplatBytes filled with one value (step 0).
struct Arg {
  const void* at = nullptr;
  size_t step = 1;
};

// Writes exactly n elements of `out`, which may be an operand of the same width.
using Kernel = void (*)(const Arg* args, void* out, size_t n);

// Instructions on f32 beyond those of ScalarOp: pairs that would otherwise pass through a block.
enum class FloatOp : uint8_t {
  Add,
  Sub,
  Mul,
  Div,
  Min,
  Max,
  Neg,
  Abs,
  Sign,
  Exp,
  Log,
  Log1p,
  Expm1,
  Sqrt,
  Reciprocal,
  Sin,
  Cos,
  Tanh,
  Erf,
  Sigmoid,
  Floor,
  Ceil,
  Round,
  Trunc,
  IsNan,
  IsInf,
  Equal,
  NotEqual,
  Less,
  LessEqual,   // write 0 or 1
  Select,      // any 32-bit register
  MulAdd,      // a * b + c
  SubMul,      // c - a * b
  Relu,        // larger of a and 0
  AddRelu,     // larger of a + b and 0
  Clamp,       // smaller of (larger of a and b) and c, where b and c are not NaN
  MulSigmoid,  // a * sigmoid(b)
  Gelu,        // a / 2 * (1 + erf(a * b))
  Cube,        // a * a * a
  RootOf,      // a to the power 1/2: +inf at -inf
  LoadF16,
  LoadBF16,
  StoreF16,
  StoreBF16,  // 16-bit storage to f32 and back, nearest even
  RoundF16,
  RoundBF16,
  ToI8,
  ToI16,
  ToI32,
  ToU8,
  ToU16,
  ToBool,  // truncates, saturates, NaN is 0
  FromI32,
  Count
};

// For the processor that runs; a pointer to FloatOp::Count kernels.
const Kernel* float_kernels();

// Kernels without vectors of our own: f64, integers, and functions that are rarely met. null: there
// is none (FloatOp has it, or the instruction does not exist for the type).
Kernel plain_kernel(ScalarOp op, DType type);
Kernel plain_cast(DType from, DType to, bool saturate);
Kernel load_kernel(DType type);   // storage to register; null: the same bytes
Kernel store_kernel(DType type);  // register to storage; null: the same bytes

// Bytes of an element of this type in a register.
inline size_t register_bytes(DType type) {
  return type == DType::F64 || type == DType::I64 || type == DType::U64 ? 8 : 4;
}

}  // namespace lathe::cpu
