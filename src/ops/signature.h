// SPDX-License-Identifier: Apache-2.0
#pragma once
// The signature of a Custom operator: types of operands and results over symbols that stand for
// the operands' sizes. It is all that shape inference knows of such an operator.
//
//   Signature s = *Signature::parse("(x: f32[N,C], w: f32[C]) -> (y: f32[N,2*C])");
//   s.symbols()                                     // N, C
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "tensor/shape.h"

namespace lathe {

using DimMap = std::map<std::string, Dim, std::less<>>;

struct Signature {
  struct Port {
    std::string name;
    TensorType type;  // row-major
  };
  std::vector<Port> in, out;

  // Every symbol of a result, and of an operand's size that is an expression, must be a whole size
  // of an operand.
  static Result<Signature> parse(std::string_view text);
  std::string to_string() const;
  // The symbols in the order in which operands bind them.
  std::vector<std::string> symbols() const;

  struct Equality {
    Dim have, want;
    std::string what;  // "operand x, dimension 1"
  };
  // What the symbols stand for when the operands have these types. Sizes that must agree go to
  // `equal`: proved or not, they are the caller's to demand.
  Result<DimMap> match(std::span<const TensorType> operands, std::vector<Equality>* equal) const;
  std::vector<TensorType> results(const DimMap& values) const;
};

}  // namespace lathe
