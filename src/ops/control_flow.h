// SPDX-License-Identifier: Apache-2.0
#pragma once
// What If, Loop and Scan share. Each holds graphs (OpDef::regions) that see nothing around them but
// their inputs; what they read from outside comes in as captures, operands behind the operator's
// own and the last inputs of every graph.
//
// A size that only the run decides is a symbol that begins with the node's attribute `symbols` and
// a point: P.1.0 is dimension 0 of result 1; inside, P.in.2.0 is dimension 0 of input 2, a carried
// value whose size changes from one iteration to the next, and P.trip is the iteration's number.
#include <string>
#include <string_view>

#include "ops/op.h"

namespace lathe {

inline constexpr std::string_view kSymbolsDoc =
    "what the symbols begin with that stand for sizes only the run decides; empty: there are none";

// Whether the attribute is a word: letters, digits and _, no digit first.
Status check_symbols(const InferContext& c);

// P.K.AXIS, P.in.K.AXIS and P.trip.
Dim result_size(std::string_view symbols, size_t result, int axis);
Dim carried_size(std::string_view symbols, size_t input, int axis);
std::string trip_symbol(std::string_view symbols);

// Whether the size is made of what has a value inside the region only.
bool is_inner(const Dim& size, const RegionType& region, std::string_view symbols);

// `size` where it means something outside, else the symbol of that result's dimension.
Result<Dim> outer_size(const InferContext& c, const Dim& size, const RegionType& region,
                       size_t result, int axis);
// The symbol of a result's dimension; an error where the node names none.
Result<Dim> fresh_size(const InferContext& c, size_t result, int axis);

// One element of this type, of shape [] or [1].
Status require_one(InferContext& c, int operand, DType type, std::string_view what);
Status check_one(const TensorType& type, DType expected, std::string_view what);
// Captures behind `own` operands are the region's inputs from `first` on, and its last ones.
Status check_captures(const InferContext& c, const RegionType& region, size_t own, size_t first,
                      std::string_view name);

// A value that goes round: an operand first, then what the body gives, and a result in the end.
struct Carried {
  size_t operand, input, output, result;
};
// The type of the result. Each size is the operand's throughout, or changes and is a symbol.
Result<TensorType> carry(const InferContext& c, const Carried& at);

}  // namespace lathe
