// SPDX-License-Identifier: Apache-2.0
#pragma once
// Size arithmetic that says no instead of wrapping. Every size that a file or a request can
// influence goes through these.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

namespace lathe {

inline std::optional<int64_t> checked_add(int64_t a, int64_t b) {
  int64_t r;
  return __builtin_add_overflow(a, b, &r) ? std::nullopt : std::optional(r);
}
inline std::optional<int64_t> checked_sub(int64_t a, int64_t b) {
  int64_t r;
  return __builtin_sub_overflow(a, b, &r) ? std::nullopt : std::optional(r);
}
inline std::optional<int64_t> checked_mul(int64_t a, int64_t b) {
  int64_t r;
  return __builtin_mul_overflow(a, b, &r) ? std::nullopt : std::optional(r);
}
// Quotient rounded toward minus infinity (Python's //); b must not be 0.
inline int64_t floor_div(int64_t a, int64_t b) {
  int64_t q = a / b;
  return (a % b != 0 && ((a < 0) != (b < 0))) ? q - 1 : q;
}
// Remainder with the divisor's sign (Python's %); b must not be 0.
inline int64_t floor_mod(int64_t a, int64_t b) {
  int64_t r = b == -1 ? 0 : a % b;
  return (r != 0 && ((r < 0) != (b < 0))) ? r + b : r;
}
// Of numbers that are not negative, in the type of the first.
template <class T>
constexpr T ceil_div(T n, std::type_identity_t<T> by) {
  return (n + by - 1) / by;
}
template <class T>
constexpr T round_up(T n, std::type_identity_t<T> multiple) {
  return ceil_div(n, multiple) * multiple;
}

}  // namespace lathe
