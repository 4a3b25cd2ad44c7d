// SPDX-License-Identifier: Apache-2.0
#pragma once
// Steps that only move elements, and what chains of them come to in memory.
//
//   Movement m(memory_shape(x));
//   follow(transpose, m) && follow(reorder, m) && m.plan().is_reshape();  // the bytes stay
#include "engine/plan.h"
#include "passes/movement.h"

namespace lathe {

// Reshape, Transpose and Reorder of whole tensors, Blocked16 aside.
bool is_rearrangement(const Step& step);
// Sizes from the outermost dimension in memory to the contiguous one.
Shape memory_shape(const TensorType& type);
// From dimensions as they lie in memory to those of the shape, and back.
void to_logical(const TensorType& type, Movement& movement);
void to_memory(const TensorType& type, Movement& movement);
// The step appended, from its operand's memory to its result's; false when it cannot be followed.
bool follow(const Step& step, Movement& movement);

}  // namespace lathe
