// SPDX-License-Identifier: Apache-2.0
#include "tensor/dim_poly.h"

#include <algorithm>
#include <array>

#include "base/math.h"

namespace lathe {
namespace {

int compare_atoms(const Atom& a, const Atom& b) {
  if (&a == &b) return 0;
  if (a.kind != b.kind) return a.kind < b.kind ? -1 : 1;
  if (int c = a.name.compare(b.name); c != 0) return c;
  if (int c = DimBuilder::compare(a.a, b.a); c != 0) return c;
  return DimBuilder::compare(a.b, b.b);
}

bool comes_first(const AtomRef& a, const AtomRef& b) { return compare_atoms(*a, *b) < 0; }

// Merges equal neighbours of sorted terms; false on overflow.
bool merge_equal(std::vector<DimTerm>& terms) {
  size_t out = 0;
  for (size_t i = 0; i < terms.size();) {
    DimTerm t = std::move(terms[i++]);
    for (; i < terms.size() && compare(t.factors, terms[i].factors) == 0; ++i) {
      auto sum = checked_add(t.coefficient, terms[i].coefficient);
      if (!sum) return false;
      t.coefficient = *sum;
    }
    if (t.coefficient != 0) terms[out++] = std::move(t);
  }
  terms.resize(out);
  return true;
}

Range range_of_quotient(Range a, Range b) {
  if (b.lo < 1) return {};
  auto at = [](int64_t n, int64_t d) {
    if (n == Range::kLow || n == Range::kHigh) return n;
    return d == Range::kHigh ? (n < 0 ? -1 : 0) : floor_div(n, d);
  };
  return {at(a.lo, a.lo >= 0 ? b.hi : b.lo), at(a.hi, a.hi >= 0 ? b.lo : b.hi)};
}

Range range_of_truncated(Range a, Range b) {
  if (b.lo < 1) return {};
  auto at = [](int64_t n, int64_t d) {
    if (n == Range::kLow || n == Range::kHigh) return n;
    return d == Range::kHigh ? 0 : n / d;
  };
  return {at(a.lo, a.lo >= 0 ? b.hi : b.lo), at(a.hi, a.hi >= 0 ? b.lo : b.hi)};
}

Range range_of_remainder(Range a, Range b) {
  if (b.lo < 1) return {};
  int64_t hi = b.hi == Range::kHigh ? Range::kHigh : b.hi - 1;
  return {0, a.lo >= 0 ? std::min(a.hi, hi) : hi};
}

Range range_of_function(AtomKind kind, const Dim& x, const Dim& y) {
  Range a = range_of(x), b = range_of(y);
  switch (kind) {
    case AtomKind::FloorDiv: return range_of_quotient(a, b);
    case AtomKind::TruncDiv: return range_of_truncated(a, b);
    case AtomKind::Mod: return range_of_remainder(a, b);
    case AtomKind::Min: return {std::min(a.lo, b.lo), std::min(a.hi, b.hi)};
    case AtomKind::Max: return {std::max(a.lo, b.lo), std::max(a.hi, b.hi)};
    case AtomKind::Broadcast: return {std::min(a.lo, b.lo), std::max(a.hi, b.hi)};
    case AtomKind::Symbol:
    case AtomKind::Error: break;
  }
  return {};
}

int64_t multiply_bounds(int64_t a, int64_t b) {
  if (a == 0 || b == 0) return 0;
  int64_t limit = (a < 0) == (b < 0) ? Range::kHigh : Range::kLow;
  auto finite = [](int64_t v) { return v != Range::kLow && v != Range::kHigh; };
  if (!finite(a) || !finite(b)) return limit;
  return checked_mul(a, b).value_or(limit);
}

}  // namespace

Range operator+(Range a, Range b) {
  Range r;
  if (a.lo != Range::kLow && b.lo != Range::kLow) {
    r.lo = checked_add(a.lo, b.lo).value_or(Range::kLow);
  }
  if (a.hi != Range::kHigh && b.hi != Range::kHigh) {
    r.hi = checked_add(a.hi, b.hi).value_or(Range::kHigh);
  }
  return r;
}

Range operator*(Range a, Range b) {
  std::array<int64_t, 4> corners = {multiply_bounds(a.lo, b.lo), multiply_bounds(a.lo, b.hi),
                                    multiply_bounds(a.hi, b.lo), multiply_bounds(a.hi, b.hi)};
  auto [lo, hi] = std::minmax_element(corners.begin(), corners.end());
  return {*lo, *hi};
}

Range range_of(const Dim& d) {
  if (d.is_constant()) return {d.value(), d.value()};
  Range sum{0, 0};
  for (const DimTerm& t : DimBuilder::terms(d)) {
    Range r{1, 1};
    for (const AtomRef& f : t.factors) r = r * f->range;
    sum = sum + r * Range{t.coefficient, t.coefficient};
  }
  return sum;
}

int compare(const Monomial& a, const Monomial& b) {
  if (a.size() != b.size()) return a.size() > b.size() ? -1 : 1;
  for (size_t i = 0; i < a.size(); ++i) {
    if (int c = compare_atoms(*a[i], *b[i]); c != 0) return c;
  }
  return 0;
}

Monomial multiply(const Monomial& a, const Monomial& b) {
  Monomial out(a.size() + b.size());
  std::merge(a.begin(), a.end(), b.begin(), b.end(), out.begin(), comes_first);
  return out;
}

std::optional<Monomial> divide(const Monomial& a, const Monomial& b) {
  if (b.size() > a.size()) return std::nullopt;
  if (!std::includes(a.begin(), a.end(), b.begin(), b.end(), comes_first)) return std::nullopt;
  Monomial out;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out), comes_first);
  return out;
}

const char* function_name(AtomKind kind) {
  switch (kind) {
    case AtomKind::FloorDiv: return "floordiv";
    case AtomKind::TruncDiv: return "truncdiv";
    case AtomKind::Mod: return "mod";
    case AtomKind::Min: return "min";
    case AtomKind::Max: return "max";
    case AtomKind::Broadcast: return "broadcast";
    case AtomKind::Symbol:
    case AtomKind::Error: break;
  }
  return nullptr;
}

Dim DimBuilder::from_terms(std::vector<DimTerm> terms) {
  std::sort(terms.begin(), terms.end(), [](const DimTerm& a, const DimTerm& b) {
    return lathe::compare(a.factors, b.factors) < 0;
  });
  if (!merge_equal(terms)) return error(kOverflow);
  if (terms.empty()) return 0;
  if (terms.size() == 1 && terms[0].factors.empty()) return terms[0].coefficient;
  if (terms.size() > kMaxDimTerms) return error(kTooComplex);
  Dim::Poly poly;
  for (const DimTerm& t : terms) {
    ++poly.nodes;
    for (const AtomRef& f : t.factors) {
      poly.nodes += f->nodes;
      poly.depth = std::max(poly.depth, f->depth);
      if (poly.nodes > kMaxDimNodes) return error(kTooComplex);
    }
  }
  poly.terms = std::move(terms);
  Dim d;
  d.poly_ = std::make_shared<const Dim::Poly>(std::move(poly));
  return d;
}

// Filled, not given as braced lists, which would copy their elements.
Dim DimBuilder::from_term(Monomial factors, int64_t coefficient) {
  std::vector<DimTerm> terms(1);
  terms[0].factors = std::move(factors);
  terms[0].coefficient = coefficient;
  return from_terms(std::move(terms));
}

Dim DimBuilder::from_atom(Atom atom) {
  return from_term(Monomial(1, std::make_shared<const Atom>(std::move(atom))), 1);
}

Dim DimBuilder::opaque(AtomKind kind, const Dim& a, const Dim& b) {
  Atom atom{.kind = kind, .name = {}, .a = a, .b = b, .range = range_of_function(kind, a, b)};
  atom.depth = 1 + std::max(depth(a), depth(b));
  atom.nodes = 1 + nodes(a) + nodes(b);
  if (atom.depth > kMaxDimDepth) return error(kTooComplex);
  return from_atom(std::move(atom));
}

Dim DimBuilder::error(const char* which) {
  return from_atom(Atom{.kind = AtomKind::Error, .name = which, .a = {}, .b = {}, .range = {}});
}

bool DimBuilder::is_error(const Dim& d) {
  const Atom* a = sole_atom(d);
  return a != nullptr && a->kind == AtomKind::Error;
}

std::vector<DimTerm> DimBuilder::terms(const Dim& d) {
  if (d.poly_) return d.poly_->terms;
  std::vector<DimTerm> constant(d.constant_ == 0 ? 0 : 1);
  if (!constant.empty()) constant[0].coefficient = d.constant_;
  return constant;
}

const Atom* DimBuilder::sole_atom(const Dim& d) {
  if (!d.poly_ || d.poly_->terms.size() != 1) return nullptr;
  const DimTerm& t = d.poly_->terms[0];
  return t.factors.size() == 1 && t.coefficient == 1 ? t.factors[0].get() : nullptr;
}

int DimBuilder::compare(const Dim& a, const Dim& b) {
  if (a.poly_ == b.poly_)
    return a.constant_ == b.constant_ ? 0 : a.constant_ < b.constant_ ? -1 : 1;
  if (!a.poly_ || !b.poly_) return a.poly_ ? 1 : -1;
  const auto& x = a.poly_->terms;
  const auto& y = b.poly_->terms;
  for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    if (int c = lathe::compare(x[i].factors, y[i].factors); c != 0) return c;
    if (x[i].coefficient != y[i].coefficient) return x[i].coefficient < y[i].coefficient ? -1 : 1;
  }
  return x.size() == y.size() ? 0 : x.size() < y.size() ? -1 : 1;
}

Dim DimBuilder::add(const Dim& a, const Dim& b, int64_t scale_b) {
  if (is_error(a)) return a;
  if (is_error(b)) return b;
  if (b.is(0)) return a;
  std::vector<DimTerm> sum = terms(a);
  for (DimTerm& t : terms(b)) {
    auto scaled = checked_mul(t.coefficient, scale_b);
    if (!scaled) return error(kOverflow);
    sum.push_back({std::move(t.factors), *scaled});
  }
  return from_terms(std::move(sum));
}

Dim DimBuilder::multiply(const Dim& a, const Dim& b) {
  if (is_error(a)) return a;
  if (is_error(b)) return b;
  if (a.is(0) || b.is(0)) return 0;
  if (a.is(1)) return b;
  if (b.is(1)) return a;
  std::vector<DimTerm> x = terms(a), y = terms(b), out;
  int64_t work = static_cast<int64_t>(nodes(a)) * static_cast<int64_t>(y.size()) +
                 static_cast<int64_t>(nodes(b)) * static_cast<int64_t>(x.size());
  if (work > int64_t{16} * kMaxDimNodes) return error(kTooComplex);
  out.reserve(x.size() * y.size());
  for (const DimTerm& s : x) {
    for (const DimTerm& t : y) {
      auto coefficient = checked_mul(s.coefficient, t.coefficient);
      if (!coefficient) return error(kOverflow);
      out.push_back({lathe::multiply(s.factors, t.factors), *coefficient});
    }
  }
  return from_terms(std::move(out));
}

}  // namespace lathe
