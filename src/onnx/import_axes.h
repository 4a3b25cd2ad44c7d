// SPDX-License-Identifier: Apache-2.0
#pragma once
// What many importers share: axes, and lists that are an attribute in old opsets and an operand in
// new ones.
#include <optional>
#include <string_view>
#include <vector>

#include "onnx/node_import.h"

namespace lathe {

// Operand k when it is there, else the attribute, else nothing.
Result<std::optional<Ints>> operand_or_attribute(NodeImport& n, size_t k, std::string_view name);
// Every axis in [0, rank), none twice, in the order given.
Result<Ints> positive_axes(const Ints& axes, int rank);
Result<int64_t> positive_axis(int64_t axis, int rank);
Ints all_axes(int rank);
Dims dims_list(const Shape& shape);
// The text "{:.17g}:$" of a number.
std::string literal(double value);

}  // namespace lathe
