// SPDX-License-Identifier: Apache-2.0
#pragma once
// What oneDNN is asked to compute, in structures of ours: no type of the library's stands here, so
// tactics and tests do not depend on its version.
#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace lathe::cpu {

// How a tensor lies in memory. `strides` count elements.
struct MemorySpec {
  DType dtype = DType::None;  // None: absent
  std::vector<int64_t> dims, strides;
  bool blocked = false;  // channels (dimension 1) in blocks of 16; strides unused
  bool free = false;     // oneDNN may choose its own layout; the plain one is given by strides

  bool absent() const { return dtype == DType::None; }
};

enum class Eltwise : uint8_t {
  Relu,  // x < 0: alpha * x
  Clip,  // to [alpha, beta]
  Sigmoid,
  Swish,  // x * sigmoid(alpha * x)
  HardSwish,
  Tanh,
  GeluErf,
  GeluTanh,
  Elu,     // x < 0: alpha * (e^x - 1)
  Linear,  // alpha * x + beta
  Abs,
  Sqrt,
  Exp,
  Log,
  Square,
  Round,
  Pow,  // alpha * x^beta
  Mish,
  Softplus,
};
enum class Binary : uint8_t { Add, Sub, Mul, Div, Max, Min };

// One step after the anchor, on its result x: a function, or x OP operand.
struct PostOp {
  enum class Kind : uint8_t { Eltwise, Binary, Prelu };
  Kind kind = Kind::Eltwise;
  Eltwise eltwise = Eltwise::Linear;
  float alpha = 0, beta = 0;
  Binary binary = Binary::Add;
  int operand = -1;  // of the instance: what a Binary or Prelu reads
  MemorySpec with;   // that operand, of the result's rank
};

struct ConvSpec {
  MemorySpec src, weights, bias, dst;
  std::vector<int64_t> strides, dilations, begin, end;  // dilations: 1 is dense
  bool transposed = false;                              // Deconv
  bool winograd = false;
  std::vector<PostOp> post;
};

struct ProductSpec {
  MemorySpec src, weights, bias, dst;
  bool inner_product = false;  // of two dimensions, weights [N, K]
  std::vector<PostOp> post;
};

struct PoolSpec {
  enum class Kind : uint8_t { AverageWithPadding, AverageWithoutPadding };
  MemorySpec src, dst;
  Kind kind = Kind::AverageWithPadding;
  std::vector<int64_t> kernel, strides, dilations, begin, end;
  std::vector<PostOp> post;
};

using Spec = std::variant<ConvSpec, ProductSpec, PoolSpec>;

}  // namespace lathe::cpu
