// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a Dim is made of: a polynomial of terms over atoms, and the arithmetic that keeps it in
// normal form. Only dim*.cpp include this.
#include <compare>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "tensor/dim.h"

namespace lathe {

// Bounds of an expression; the extremes of int64_t stand for infinity.
struct Range {
  static constexpr int64_t kLow = std::numeric_limits<int64_t>::min();
  static constexpr int64_t kHigh = std::numeric_limits<int64_t>::max();
  int64_t lo = kLow;
  int64_t hi = kHigh;
};
Range operator+(Range a, Range b);
Range operator*(Range a, Range b);
Range range_of(const Dim& d);

// Error atoms swallow every expression that they enter; evaluating one fails.
enum class AtomKind : uint8_t { Symbol, FloorDiv, TruncDiv, Mod, Min, Max, Broadcast, Error };

// A symbol (name), an error (name says which), or a function of a and b.
struct Atom {
  AtomKind kind;
  std::string name;
  Dim a, b;
  int depth = 1;
  int nodes = 1;
  Range range;
};
using AtomRef = std::shared_ptr<const Atom>;
using Monomial = std::vector<AtomRef>;  // sorted; a repeated atom is a power

struct DimTerm {
  Monomial factors;  // empty: the constant term
  int64_t coefficient = 0;
};

// Terms sorted by `before`, distinct, with nonzero coefficients; never a lone constant.
struct Dim::Poly {
  std::vector<DimTerm> terms;
  int depth = 0;
  int nodes = 0;
};

// Beyond these an expression becomes too_complex(): a hostile model must not make shape
// arithmetic exponential, and recursion over a Dim must fit any stack.
inline constexpr int kMaxDimTerms = 256;
inline constexpr int kMaxDimNodes = 4096;
inline constexpr int kMaxDimDepth = 64;

inline constexpr const char* kOverflow = "overflow";
inline constexpr const char* kDivideByZero = "divide_by_zero";
inline constexpr const char* kTooComplex = "too_complex";

struct DimBuilder {
  // The terms, sorted or not, equal monomials merged.
  static Dim from_terms(std::vector<DimTerm> terms);
  static Dim from_term(Monomial factors, int64_t coefficient);
  static Dim from_atom(Atom atom);
  // floordiv, truncdiv, mod, min, max or broadcast left as an atom.
  static Dim opaque(AtomKind kind, const Dim& a, const Dim& b);
  static Dim error(const char* which);
  static bool is_error(const Dim& d);
  static std::vector<DimTerm> terms(const Dim& d);  // a constant has one term, 0 none
  static int depth(const Dim& d) { return d.poly_ ? d.poly_->depth : 0; }
  static int nodes(const Dim& d) { return d.poly_ ? d.poly_->nodes : 1; }
  // The atom that d is, alone and with coefficient 1, or null.
  static const Atom* sole_atom(const Dim& d);
  static int compare(const Dim& a, const Dim& b);
  static Dim add(const Dim& a, const Dim& b, int64_t scale_b);
  static Dim multiply(const Dim& a, const Dim& b);
};

int compare(const Monomial& a, const Monomial& b);  // < 0: a is printed first
Monomial multiply(const Monomial& a, const Monomial& b);
// a without the factors of b, when b's factors are all there.
std::optional<Monomial> divide(const Monomial& a, const Monomial& b);

const char* function_name(AtomKind kind);  // "floordiv"; null for symbols and errors

}  // namespace lathe
