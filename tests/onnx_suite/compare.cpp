// SPDX-License-Identifier: Apache-2.0
#include "compare.h"

#include <cmath>

namespace lathe {
namespace {

constexpr double kRelative = 1e-3, kAbsolute = 1e-7;

bool is_close(double got, double want) {
  if (std::isnan(want)) return std::isnan(got);
  if (got == want) return true;
  return std::abs(got - want) <= kAbsolute + kRelative * std::abs(want);
}

}  // namespace

Status compare(const HostTensor& got, const HostTensor& want) {
  if (got.type() != want.type()) {
    return invalid("got {}, expected {}", got.type().to_string(), want.type().to_string());
  }
  if (got.dtype() == DType::String || !is_computable(got.dtype())) {
    return got == want ? Status() : invalid("the elements differ");
  }
  for (int64_t k = 0; k < want.elements(); ++k) {
    const bool same = is_int(want.dtype()) && bits(want.dtype()) == 64
                          ? got.get_i64(k) == want.get_i64(k)
                          : is_close(got.get_f64(k), want.get_f64(k));
    if (!same) return invalid("element {} is {}, expected {}", k, got.get_f64(k), want.get_f64(k));
  }
  return {};
}

}  // namespace lathe
