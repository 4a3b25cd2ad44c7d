// SPDX-License-Identifier: Apache-2.0
#pragma once
// An expression over tensors: the reference of Pointwise, of prologues and of epilogues.
#include <span>
#include <vector>

#include "ops/op.h"

namespace lathe {

// What one input of the expression reads.
struct ElementSource {
  const HostTensor* tensor = nullptr;  // null: not read
  // How the tensor lies over the coordinates of the result: broadcast (NumPy), or already cut to
  // the box.
  bool is_boxed = false;
  const HostTensor* error = nullptr;  // f64, as `tensor`: absolute errors of its elements
};

// Evaluates `expr` at every coordinate of the box (within `whole`) into `out`, box-shaped, one for
// each result or only the first ones. When `magnitude` is not null it receives for result 0 the
// error that rounding may cause, in units of the unit roundoff of its type (absolute for integers).
Status apply(const Expr& expr, std::span<const ElementSource> inputs, const Shape& whole,
             const Box& box, std::span<HostTensor> out, HostTensor* magnitude = nullptr);

// The box-shaped part of a tensor.
Result<HostTensor> cut(const HostTensor& tensor, const Box& box);

}  // namespace lathe
