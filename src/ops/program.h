// SPDX-License-Identifier: Apache-2.0
#pragma once
// A straight line of operators as text: the CPU twin of a Custom operator. Values are numbered, the
// operands come first; sizes are over the symbols of the operator's signature.
//
//   %1 = Pointwise{expr="(a:f32) -> exp(a)"}(%0);
//   %2 = Reduce{axes=[1], keepdims=1, kind=sum}(%1);
//   return %2
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ops/op.h"

namespace lathe {

struct Program {
  struct Line {
    const OpDef* def = nullptr;
    Attrs attrs;
    std::vector<int> in, out;  // numbers of values; -1: absent operand
  };
  int operands = 0;
  std::vector<Line> lines;
  std::vector<int> results;

  // `operands`: how many values are there before the first line. Every value is defined once and
  // before it is read; Custom operators are refused.
  static Result<Program> parse(std::string_view text, int operands);
  std::string to_string() const;

  // Runs the lines by their references. `values` binds the symbols.
  Result<std::vector<HostTensor>> run(std::span<const HostTensor> in, const Bindings& values) const;
};

// The attributes with every dimension replaced.
Result<Attrs> with_dims(const Attrs& attrs, const std::function<Result<Dim>(const Dim&)>& replace);

}  // namespace lathe
