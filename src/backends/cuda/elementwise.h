// SPDX-License-Identifier: Apache-2.0
#pragma once
// One expression over strided operands: what Pointwise is, and every movement whose source is an
// affine function of the coordinates (Transpose, Slice, Concat, ...).
#include <string>
#include <vector>

#include "backends/cuda/kernel.h"
#include "ops/expr.h"

namespace lathe::cuda {

// What the kernel's text depends on.
struct Elementwise {
  Expr expr;                   // of the operands in order
  std::vector<DType> in, out;  // element types in memory
};
std::string elementwise_source(const Elementwise& e);
// The identity on elements of this width, whatever their type; !ok() where no integer is as wide.
Result<Elementwise> copy_of(DType type);

// Which operands and outputs lie where: strides and offsets in elements, along `sizes`.
struct Walk {
  struct Place {
    size_t index = 0;  // among the instance's operands or outputs
    int64_t offset = 0;
    std::vector<int64_t> strides;
  };
  std::vector<int64_t> sizes;
  std::vector<Place> in, out;
};

// A Prepared that runs the walks one after another.
Result<std::unique_ptr<Prepared>> prepare_elementwise(const LoadContext& context,
                                                      const Elementwise& e,
                                                      std::vector<Walk> walks);

// A movement with its epilogue as one expression: operand 0 (or each of Concat's), then extras.
Result<Elementwise> movement_of(const OpInstance& op);
Support check_movement(const OpInstance& op);
// The extras of a fused movement, and its outputs, along the sizes of output 0.
void add_extras(const OpInstance& op, Walk& walk);
void add_outputs(const OpInstance& op, Walk& walk);

}  // namespace lathe::cuda
