// SPDX-License-Identifier: Apache-2.0
// Division, remainder, min, max and broadcast of dimensions: what can be simplified is, the rest
// becomes an atom in one canonical spelling.
#include <algorithm>
#include <numeric>

#include "base/math.h"
#include "tensor/dim_poly.h"

namespace lathe {
namespace {

using Terms = std::vector<DimTerm>;

const Dim* first_error(const Dim& a, const Dim& b) {
  if (DimBuilder::is_error(a)) return &a;
  return DimBuilder::is_error(b) ? &b : nullptr;
}

int64_t magnitude_gcd(int64_t a, int64_t b) {
  uint64_t x = a < 0 ? 0 - static_cast<uint64_t>(a) : static_cast<uint64_t>(a);
  uint64_t y = b < 0 ? 0 - static_cast<uint64_t>(b) : static_cast<uint64_t>(b);
  uint64_t g = std::gcd(x, y);
  return g > static_cast<uint64_t>(Range::kHigh) ? 1 : static_cast<int64_t>(g);
}

Dim divide_constants(int64_t a, int64_t b) {
  if (a == Range::kLow && b == -1) return DimBuilder::error(kOverflow);
  return floor_div(a, b);
}

int64_t quotient(int64_t a, int64_t b) { return floor_div(a, b); }

Monomial common_factors(Monomial common, const Dim& d) {
  for (const DimTerm& t : DimBuilder::terms(d)) {
    Monomial shared;
    for (const AtomRef& f : common) {
      Monomial with = multiply(shared, {f});
      if (divide(t.factors, with)) shared = std::move(with);
    }
    common = std::move(shared);
  }
  return common;
}

int64_t content(const Dim& d) {
  int64_t g = 0;
  for (const DimTerm& t : DimBuilder::terms(d)) g = magnitude_gcd(g, t.coefficient);
  return g;
}

// The largest monomial with positive coefficient that divides every term of a and b.
Dim common_monomial(const Dim& a, const Dim& b) {
  Monomial factors = common_factors(DimBuilder::terms(b)[0].factors, b);
  factors = common_factors(std::move(factors), a);
  return DimBuilder::from_term(std::move(factors), magnitude_gcd(content(a), content(b)));
}

bool leads_negative(const Dim& d) {
  Terms t = DimBuilder::terms(d);
  return !t.empty() && t[0].coefficient < 0;
}

// a = whole * b + rest, taking from each term of a all that the monomial b divides.
struct Split {
  Dim whole;
  Dim rest;
};
Split split_by(const Dim& a, const DimTerm& b) {
  Terms whole, rest;
  for (DimTerm& t : DimBuilder::terms(a)) {
    auto factors = divide(t.factors, b.factors);
    if (!factors || (b.coefficient == -1 && t.coefficient == Range::kLow)) {
      rest.push_back(std::move(t));
      continue;
    }
    int64_t q = quotient(t.coefficient, b.coefficient);
    int64_t r = floor_mod(t.coefficient, b.coefficient);
    if (q != 0) whole.push_back({std::move(*factors), q});
    if (r != 0) rest.push_back({std::move(t.factors), r});
  }
  return {DimBuilder::from_terms(std::move(whole)), DimBuilder::from_terms(std::move(rest))};
}

// Of the nonconstant terms and c.
int64_t gcd_with(const Dim& a, int64_t c) {
  for (const DimTerm& t : DimBuilder::terms(a)) {
    if (!t.factors.empty()) c = magnitude_gcd(c, t.coefficient);
  }
  return c;
}

Dim divide_floor(const Dim& a, int64_t g) { return split_by(a, DimTerm{{}, g}).whole; }

// floordiv(floordiv(x, k) + y, c)  ->  floordiv(x + k*y, k*c), for one such inner atom.
std::optional<Dim> merge_inner_division(const Dim& a, int64_t c) {
  const Atom* inner = nullptr;
  Terms others;
  for (DimTerm& t : DimBuilder::terms(a)) {
    bool fits = t.factors.size() == 1 && t.coefficient == 1 &&
                t.factors[0]->kind == AtomKind::FloorDiv && t.factors[0]->b.is_constant() &&
                t.factors[0]->b.value() > 0;
    if (fits && inner != nullptr) return std::nullopt;
    if (fits) {
      inner = t.factors[0].get();
    } else {
      others.push_back(std::move(t));
    }
  }
  if (inner == nullptr) return std::nullopt;
  Dim k = inner->b;
  Dim numerator = inner->a + k * DimBuilder::from_terms(std::move(others));
  auto divisor = checked_mul(k.value(), c);
  if (!divisor || DimBuilder::is_error(numerator)) return std::nullopt;
  return Dim::floor_div(numerator, *divisor);
}

Dim floor_div_positive(const Dim& a, int64_t c) {
  if (c == 1) return a;
  if (leads_negative(a)) {
    // floordiv(-x, c)  ->  -floordiv(x + c - 1, c)
    Dim rounded = Dim(c - 1) - a;
    if (!DimBuilder::is_error(rounded)) return Dim(0) - floor_div_positive(rounded, c);
  }
  Split s = split_by(a, DimTerm{{}, c});
  int64_t g = gcd_with(s.rest, c);
  if (g > 1) return s.whole + floor_div_positive(divide_floor(s.rest, g), c / g);
  if (s.rest.is_constant()) return s.whole;
  if (auto merged = merge_inner_division(s.rest, c)) return s.whole + *merged;
  Range r = range_of(s.rest);
  if (r.lo >= 0 && r.hi < c) return s.whole;
  return s.whole + DimBuilder::opaque(AtomKind::FloorDiv, s.rest, c);
}

Dim mod_positive(const Dim& a, int64_t c) {
  Dim rest = split_by(a, DimTerm{{}, c}).rest;
  if (rest.is_constant()) return rest;
  int64_t g = gcd_with(rest, c);
  if (g > 1) {
    // mod(g*x + r, g*c)  ->  g*mod(x + floor(r/g), c) + mod(r, g)
    Split s = split_by(rest, DimTerm{{}, g});
    return g * mod_positive(s.whole, c / g) + s.rest;
  }
  Range r = range_of(rest);
  if (r.lo >= 0 && r.hi < c) return rest;
  return DimBuilder::opaque(AtomKind::Mod, rest, c);
}

std::optional<DimTerm> divide_term(const DimTerm& a, const DimTerm& b) {
  if (b.coefficient == -1 && a.coefficient == Range::kLow) return std::nullopt;
  auto factors = divide(a.factors, b.factors);
  if (!factors || a.coefficient % b.coefficient != 0) return std::nullopt;
  return DimTerm{*std::move(factors), a.coefficient / b.coefficient};
}

std::optional<Dim> divide_by_monomial(const Dim& a, const DimTerm& b) {
  Terms out;
  for (const DimTerm& t : DimBuilder::terms(a)) {
    auto q = divide_term(t, b);
    if (!q) return std::nullopt;
    out.push_back(*std::move(q));
  }
  return DimBuilder::from_terms(std::move(out));
}

bool stays_below(const Dim& a, const Dim& b) {
  return a.provably_nonnegative() && (b - a).provably_positive();
}

// Arguments of nested atoms of one kind, in a sorted list without repeats.
void flatten(AtomKind kind, const Dim& d, std::vector<Dim>& into) {
  const Atom* atom = DimBuilder::sole_atom(d);
  if (atom != nullptr && atom->kind == kind) {
    flatten(kind, atom->a, into);
    flatten(kind, atom->b, into);
  } else {
    into.push_back(d);
  }
}

// Folds a commutative, associative, idempotent function: pairs that `decide` resolves are
// replaced by their result, the rest become nested atoms in sorted order.
using Decide = std::optional<Dim> (*)(const Dim&, const Dim&);
Dim fold(AtomKind kind, const Dim& a, const Dim& b, Decide decide) {
  if (const Dim* e = first_error(a, b)) return *e;
  std::vector<Dim> work, kept;
  flatten(kind, a, work);
  flatten(kind, b, work);
  std::sort(work.begin(), work.end(), [](const Dim& x, const Dim& y) { return y < x; });
  while (!work.empty()) {
    Dim d = std::move(work.back());
    work.pop_back();
    // A result may in turn decide against what is kept, so it goes through the list again.
    auto met = std::find_if(kept.begin(), kept.end(),
                            [&](const Dim& k) { return decide(k, d).has_value(); });
    if (met == kept.end()) {
      kept.push_back(std::move(d));
    } else {
      work.push_back(*decide(*met, d));
      kept.erase(met);
    }
  }
  if (kept.size() > kMaxDimDepth / 2) return DimBuilder::error(kTooComplex);
  std::sort(kept.begin(), kept.end());
  Dim out = kept[0];
  for (size_t i = 1; i < kept.size(); ++i) out = DimBuilder::opaque(kind, out, kept[i]);
  return out;
}

std::optional<Dim> decide_min(const Dim& a, const Dim& b) {
  Range r = range_of(a - b);
  if (r.hi <= 0) return a;
  return r.lo >= 0 ? std::optional(b) : std::nullopt;
}

std::optional<Dim> decide_max(const Dim& a, const Dim& b) {
  Range r = range_of(a - b);
  if (r.lo >= 0) return a;
  return r.hi <= 0 ? std::optional(b) : std::nullopt;
}

bool never_one(const Dim& d) {
  if (d.is_constant()) return !d.is(1);
  Range r = range_of(d);
  return r.lo > 1 || r.hi < 1 || content(d) > 1;
}

std::optional<Dim> decide_broadcast(const Dim& a, const Dim& b) {
  if (a == b || b.is(1)) return a;
  if (a.is(1)) return b;
  // What is never 1 is the result, once the two agree; a constant says it best.
  if (never_one(a) && (a.is_constant() || !never_one(b))) return a;
  if (never_one(b)) return b;
  return std::nullopt;
}

}  // namespace

Dim Dim::floor_div(const Dim& a, const Dim& b) {
  if (const Dim* e = first_error(a, b)) return *e;
  if (b.is(0)) return DimBuilder::error(kDivideByZero);
  if (a.is(0)) return 0;
  if (a.is_constant() && b.is_constant()) return divide_constants(a.value(), b.value());
  if (b.is_constant() && b.value() > 0) return floor_div_positive(a, b.value());
  if (leads_negative(b)) {
    Dim flipped = Dim(0) - b;
    if (!DimBuilder::is_error(flipped)) return floor_div(Dim(0) - a, flipped);
  }
  if (auto q = a.exact_div(b)) return *q;
  Dim common = common_monomial(a, b);
  if (!common.is(1)) return floor_div(*a.exact_div(common), *b.exact_div(common));
  if (stays_below(a, b)) return 0;
  Split s{0, a};
  if (Terms divisor = DimBuilder::terms(b); divisor.size() == 1) s = split_by(a, divisor[0]);
  if (DimBuilder::is_error(s.whole) || DimBuilder::is_error(s.rest)) s = {0, a};
  if (s.whole.is(0)) return DimBuilder::opaque(AtomKind::FloorDiv, a, b);
  return s.whole + floor_div(s.rest, b);
}

Dim Dim::ceil_div(const Dim& a, const Dim& b) {
  if (b.provably_nonnegative()) return floor_div(a + b - 1, b);
  return Dim(0) - floor_div(Dim(0) - a, b);
}

Dim Dim::mod(const Dim& a, const Dim& b) {
  if (const Dim* e = first_error(a, b)) return *e;
  if (b.is(0)) return DimBuilder::error(kDivideByZero);
  if (a.is(0)) return 0;
  if (a.is_constant() && b.is_constant()) return floor_mod(a.value(), b.value());
  if (b.is_constant() && b.value() > 0) return mod_positive(a, b.value());
  if (leads_negative(b)) {
    Dim flipped = Dim(0) - b;
    if (!DimBuilder::is_error(flipped)) return Dim(0) - mod(Dim(0) - a, flipped);
  }
  if (a.exact_div(b)) return 0;
  Dim common = common_monomial(a, b);
  if (!common.is(1)) return common * mod(*a.exact_div(common), *b.exact_div(common));
  if (stays_below(a, b)) return a;
  Dim rest = a;
  if (Terms divisor = DimBuilder::terms(b); divisor.size() == 1) {
    rest = split_by(a, divisor[0]).rest;
  }
  if (rest == a) return DimBuilder::opaque(AtomKind::Mod, a, b);
  return mod(rest, b);
}

Dim Dim::min(const Dim& a, const Dim& b) { return fold(AtomKind::Min, a, b, decide_min); }
Dim Dim::max(const Dim& a, const Dim& b) { return fold(AtomKind::Max, a, b, decide_max); }
Dim Dim::broadcast(const Dim& a, const Dim& b) {
  return fold(AtomKind::Broadcast, a, b, decide_broadcast);
}

std::optional<Dim> Dim::exact_div(const Dim& b) const {
  if (first_error(*this, b) != nullptr || b.is(0)) return std::nullopt;
  Terms divisor = DimBuilder::terms(b);
  if (divisor.size() == 1) return divide_by_monomial(*this, divisor[0]);
  Terms quotients;
  Dim rest = *this;
  // Long division by the leading terms; the order of monomials makes each step shrink the rest.
  while (!rest.is(0)) {
    auto q = divide_term(DimBuilder::terms(rest)[0], divisor[0]);
    if (!q || quotients.size() == kMaxDimTerms) return std::nullopt;
    rest = rest - DimBuilder::from_terms({*q}) * b;
    if (DimBuilder::is_error(rest)) return std::nullopt;
    quotients.push_back(*std::move(q));
  }
  return DimBuilder::from_terms(std::move(quotients));
}

}  // namespace lathe
