// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/op_common.h"

namespace lathe {

Result<std::vector<int>> normalize_axes(std::span<const int64_t> axes, int rank) {
  std::vector<int> out;
  for (int64_t axis : axes) {
    int a = LATHE_TRY(normalize_axis(axis, rank));
    if (std::find(out.begin(), out.end(), a) != out.end()) {
      return invalid("axis {} is given twice", axis);
    }
    out.push_back(a);
  }
  return out;
}

std::vector<int64_t> row_strides(std::span<const int64_t> sizes) {
  std::vector<int64_t> out(sizes.size());
  int64_t stride = 1;
  for (size_t d = sizes.size(); d-- > 0;) {
    out[d] = stride;
    stride *= sizes[d];
  }
  return out;
}

std::vector<int64_t> broadcast_strides(std::span<const int64_t> sizes,
                                       std::span<const int64_t> to) {
  LATHE_CHECK(sizes.size() <= to.size());
  std::vector<int64_t> own = row_strides(sizes), out(to.size(), 0);
  size_t skip = to.size() - sizes.size();
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (sizes[d] != 1) out[skip + d] = own[d];
  }
  return out;
}

Status require_float(const InferContext& c, int k, std::string_view name) {
  if (is_float(c.dtype(k)) && is_computable(c.dtype(k))) return {};
  return invalid("{} must be floating point, not {}", name, to_string(c.dtype(k)));
}

Status require_number(const InferContext& c, int k, std::string_view name) {
  if (is_computable(c.dtype(k)) && c.dtype(k) != DType::Bool) return {};
  return invalid("{} must be a number, not {}", name, to_string(c.dtype(k)));
}

Status require_computable(const InferContext& c, int k, std::string_view name) {
  if (is_computable(c.dtype(k))) return {};
  return invalid("{} must be a number or bool, not {}", name, to_string(c.dtype(k)));
}

Status require_index(const InferContext& c, int k, std::string_view name) {
  if (c.dtype(k) == DType::I32 || c.dtype(k) == DType::I64) return {};
  return invalid("{} must be i32 or i64, not {}", name, to_string(c.dtype(k)));
}

Status require_rank_at_least(const InferContext& c, int k, int rank, std::string_view name) {
  if (c.shape(k).rank() >= rank) return {};
  return invalid("{} must have rank {} or more, not {}", name, rank, c.shape(k).rank());
}

Status require_same_dtype(const InferContext& c, int k, std::string_view name) {
  if (c.dtype(k) == c.dtype(0)) return {};
  return invalid("{} must be {} like the first operand, not {}", name, to_string(c.dtype(0)),
                 to_string(c.dtype(k)));
}

double unit_roundoff(DType type) {
  switch (type) {
    case DType::F64: return 0x1p-53;
    case DType::F32: return 0x1p-24;
    case DType::F16: return 0x1p-11;
    case DType::BF16: return 0x1p-8;
    default: return 0;
  }
}

}  // namespace lathe
