// SPDX-License-Identifier: Apache-2.0
#pragma once
// A dimension: an integer expression over named symbols, always in normal form, so that two
// dimensions are provably equal exactly when they compare equal.
//
//   Dim n = Dim::symbol("N");
//   (n + 1) * 2 == 2 * n + 2                       // true
//   Dim::floor_div(4 * n + 8, 4) == n + 2           // true
//   (n * 3).evaluate({{"N", 5}})                    // 15
//
// The normal form is a polynomial with integer coefficients whose indeterminates are symbols and
// opaque atoms floordiv(a,b), mod(a,b), min(a,b), max(a,b), broadcast(a,b). broadcast is b where
// a is 1, else a (NumPy's rule, once a and b are known to agree). Values are immutable and cheap
// to copy. Symbols stand for sizes: they are never negative, and simplifications rely on it.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace lathe {

// Values of symbols.
using Bindings = std::map<std::string, int64_t, std::less<>>;

class Dim {
 public:
  Dim(int64_t value = 0) : constant_(value) {}
  static Dim symbol(std::string_view name);  // [A-Za-z_][A-Za-z0-9_.]*
  static Dim floor_div(const Dim& a, const Dim& b);
  static Dim ceil_div(const Dim& a, const Dim& b);
  static Dim mod(const Dim& a, const Dim& b);  // sign of the divisor
  static Dim min(const Dim& a, const Dim& b);
  static Dim max(const Dim& a, const Dim& b);
  static Dim broadcast(const Dim& a, const Dim& b);

  bool is_constant() const { return poly_ == nullptr; }
  bool is(int64_t v) const { return is_constant() && constant_ == v; }
  int64_t value() const;  // LATHE_CHECKs is_constant
  std::optional<int64_t> constant() const;
  bool is_symbol() const;          // exactly one symbol, nothing else
  bool provably_positive() const;  // > 0 for all sizes; false means unknown
  bool provably_nonnegative() const;

  // The quotient when b divides this polynomial exactly for all values of the symbols
  // (6*N*H by 2*N is 3*H); b is assumed not to be 0.
  std::optional<Dim> exact_div(const Dim& b) const;

  // Integer value under the bindings. Fails on an unbound symbol, overflow, or division by zero.
  Result<int64_t> evaluate(const Bindings& values) const;
  Dim substitute(const std::map<std::string, Dim, std::less<>>& values) const;
  void collect_symbols(std::set<std::string>& into) const;

  std::string to_string() const;  // "2*N + 2", "floordiv(H, 2)"; parse is the inverse
  static Result<Dim> parse(std::string_view text);

  friend Dim operator+(const Dim& a, const Dim& b);
  friend Dim operator-(const Dim& a, const Dim& b);
  friend Dim operator*(const Dim& a, const Dim& b);
  friend bool operator==(const Dim& a, const Dim& b);
  friend bool operator<(const Dim& a, const Dim& b);  // any total order: for containers

 private:
  struct Poly;
  friend struct DimBuilder;
  int64_t constant_ = 0;  // the value when poly_ is null
  std::shared_ptr<const Poly> poly_;
};

inline Dim operator+(const Dim& a, int64_t b) { return a + Dim(b); }
inline Dim operator-(const Dim& a, int64_t b) { return a - Dim(b); }
inline Dim operator*(const Dim& a, int64_t b) { return a * Dim(b); }
inline Dim operator*(int64_t a, const Dim& b) { return Dim(a) * b; }

Dim product(std::span<const Dim> dims);

}  // namespace lathe
