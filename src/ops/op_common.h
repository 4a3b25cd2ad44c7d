// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the operators' own files share: axes, strides, the usual demands on operand types.
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "ops/op.h"

namespace lathe {

// Axes in [-rank, rank) made nonnegative, in the order given; an error for one out of range or
// given twice.
Result<std::vector<int>> normalize_axes(std::span<const int64_t> axes, int rank);

// Elements between neighbours along each dimension of a row-major tensor.
std::vector<int64_t> row_strides(std::span<const int64_t> sizes);
// The same for a tensor read as if broadcast (NumPy) to `to`: one stride for each dimension of
// `to`, 0 where the tensor repeats. The shapes are known to agree.
std::vector<int64_t> broadcast_strides(std::span<const int64_t> sizes, std::span<const int64_t> to);

// Errors such as "x must be floating point, not i32"; `name` is the operand's name in the schema.
Status require_float(const InferContext& context, int operand, std::string_view name);
Status require_number(const InferContext& context, int operand, std::string_view name);  // no bool
Status require_computable(const InferContext& context, int operand,
                          std::string_view name);                                       // or bool
Status require_index(const InferContext& context, int operand, std::string_view name);  // i32, i64
Status require_rank_at_least(const InferContext& context, int operand, int rank,
                             std::string_view name);
// Operand k has operand 0's element type.
Status require_same_dtype(const InferContext& context, int operand, std::string_view name);

// unit roundoff: f32 2^-24, f16 2^-11, bf16 2^-8, f64 2^-53; 0 for other types.
double unit_roundoff(DType type);

}  // namespace lathe
