// SPDX-License-Identifier: Apache-2.0
#pragma once
// One element of a packed buffer as a double or an int64_t, for every numeric type: whole bytes,
// eight-bit floats, and two- and four-bit elements (low bits first).
#include <cstddef>
#include <cstdint>
#include <optional>

#include "tensor/dtype.h"

namespace lathe {

// The eight- or four-bit float format of a type, if it is one.
std::optional<SmallFloat> small_float(DType t);

// LATHE_CHECK against complex and string types; `index` counts elements.
double load_f64(DType t, const std::byte* data, int64_t index);
int64_t load_i64(DType t, const std::byte* data, int64_t index);  // toward zero, saturating
void store_f64(DType t, std::byte* data, int64_t index, double value);
void store_i64(DType t, std::byte* data, int64_t index, int64_t value);

}  // namespace lathe
