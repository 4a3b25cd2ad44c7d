// SPDX-License-Identifier: Apache-2.0
#pragma once
// Attributes that many operators have, read and checked.
#include <string_view>
#include <vector>

#include "ops/op_common.h"

namespace lathe {

// The ints attribute as nonnegative axes in ascending order; negative ones count from the end. An
// error names an axis that is out of range or stands twice.
Result<std::vector<int>> axes_of(const Attrs& attrs, std::string_view name, int rank);
// The int attribute as a nonnegative axis.
Result<int> axis_of(const Attrs& attrs, std::string_view name, int rank);
// The attribute "axis" of an operator that inference accepted.
int axis_of(const OpInstance& op, int rank);
// An int attribute that must be 0 or 1.
Status require_flag(const Attrs& attrs, std::string_view name);
// A text attribute that must be one of `words`; its place among them.
Result<int> word_of(const Attrs& attrs, std::string_view name,
                    std::span<const std::string_view> words);

// `from` must broadcast (NumPy) to exactly `to`; what is not provable becomes a constraint.
Status require_broadcast_to(InferContext& c, const Shape& from, const Shape& to,
                            std::string_view operand);

}  // namespace lathe
