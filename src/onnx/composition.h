// SPDX-License-Identifier: Apache-2.0
#pragma once
// A twin's composition: one node a line,
//
//   t = Mul(x, x)
//   y, rest = TopK{axis=-1, largest=@largest}(t, k)
//
// An attribute is an integer, a number with a point or exponent, text in quotes, a list of numbers,
// or @name, the operator's own attribute of that name.
#include <string>
#include <vector>

#include "custom/definition.h"
#include "onnx/custom_use.h"

namespace lathe {

// Operands and results by name, "" for an operand that is left out.
struct CompositionNode {
  std::string domain, type;
  AttributeMap attributes;
  std::vector<std::string> operands, results;
};

Result<std::vector<CompositionNode>> parse_composition(const CustomUse& use);

}  // namespace lathe
