// SPDX-License-Identifier: Apache-2.0
#include "tensor/dim.h"

#include <algorithm>

#include "base/math.h"
#include "tensor/dim_poly.h"
#include "tensor/dim_truncate.h"

namespace lathe {
namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.';
}

// Letters that a name may not hold become _xHH, so that any text makes a name.
std::string symbol_name(std::string_view name) {
  std::string out;
  if (name.empty() || (name[0] >= '0' && name[0] <= '9') || name[0] == '.') out = "_";
  for (char c : name) {
    if (is_word(c)) {
      out += c;
    } else {
      out += fmt::format("_x{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

Result<int64_t> failed(const std::string& error) {
  if (error == kDivideByZero) return invalid("a dimension divides by zero");
  if (error == kTooComplex) return invalid("a dimension's expression is too complex");
  return invalid("a dimension overflows 63 bits");
}

Result<int64_t> or_overflow(std::optional<int64_t> v) {
  if (v) return *v;
  return failed(kOverflow);
}

Result<int64_t> evaluate_function(AtomKind kind, int64_t a, int64_t b) {
  switch (kind) {
    case AtomKind::FloorDiv:
      if (b == 0) return failed(kDivideByZero);
      if (b == -1) return or_overflow(checked_sub(0, a));
      return floor_div(a, b);
    case AtomKind::TruncDiv:
      if (b == 0) return failed(kDivideByZero);
      if (b == -1) return or_overflow(checked_sub(0, a));
      return a / b;
    case AtomKind::Mod:
      if (b == 0) return failed(kDivideByZero);
      return floor_mod(a, b);
    case AtomKind::Min: return std::min(a, b);
    case AtomKind::Max: return std::max(a, b);
    case AtomKind::Broadcast: return a == 1 ? b : a;
    case AtomKind::Symbol:
    case AtomKind::Error: break;
  }
  return internal("not a function");
}

Result<int64_t> evaluate_atom(const Atom& atom, const Bindings& values) {
  if (atom.kind == AtomKind::Error) return failed(atom.name);
  if (atom.kind != AtomKind::Symbol) {
    int64_t a = LATHE_TRY(atom.a.evaluate(values));
    int64_t b = LATHE_TRY(atom.b.evaluate(values));
    return evaluate_function(atom.kind, a, b);
  }
  auto found = values.find(atom.name);
  if (found == values.end()) return invalid("the size of dimension '{}' is not known", atom.name);
  if (found->second < 0) {
    return invalid("dimension '{}' is {}; sizes are not negative", atom.name, found->second);
  }
  return found->second;
}

Dim apply(AtomKind kind, const Dim& a, const Dim& b) {
  switch (kind) {
    case AtomKind::FloorDiv: return Dim::floor_div(a, b);
    case AtomKind::TruncDiv: return trunc_div(a, b);
    case AtomKind::Mod: return Dim::mod(a, b);
    case AtomKind::Min: return Dim::min(a, b);
    case AtomKind::Max: return Dim::max(a, b);
    default: return Dim::broadcast(a, b);
  }
}

}  // namespace

Dim Dim::symbol(std::string_view name) {
  return DimBuilder::from_atom(Atom{.kind = AtomKind::Symbol,
                                    .name = symbol_name(name),
                                    .a = {},
                                    .b = {},
                                    .range = {0, Range::kHigh}});
}

int64_t Dim::value() const {
  LATHE_CHECK(is_constant());
  return constant_;
}

std::optional<int64_t> Dim::constant() const {
  if (!is_constant()) return std::nullopt;
  return constant_;
}

bool Dim::is_symbol() const {
  const Atom* atom = DimBuilder::sole_atom(*this);
  return atom != nullptr && atom->kind == AtomKind::Symbol;
}

bool Dim::provably_positive() const { return range_of(*this).lo > 0; }
bool Dim::provably_nonnegative() const { return range_of(*this).lo >= 0; }

Result<int64_t> Dim::evaluate(const Bindings& values) const {
  if (is_constant()) return constant_;
  int64_t sum = 0;
  for (const DimTerm& t : poly_->terms) {
    int64_t product = t.coefficient;
    for (const AtomRef& f : t.factors) {
      int64_t v = LATHE_TRY(evaluate_atom(*f, values));
      product = LATHE_TRY(or_overflow(checked_mul(product, v)));
    }
    sum = LATHE_TRY(or_overflow(checked_add(sum, product)));
  }
  return sum;
}

Dim Dim::substitute(const std::map<std::string, Dim, std::less<>>& values) const {
  if (is_constant()) return *this;
  Dim sum = 0;
  for (const DimTerm& t : poly_->terms) {
    Dim product = t.coefficient;
    for (const AtomRef& f : t.factors) {
      Dim factor = DimBuilder::from_term(Monomial(1, f), 1);
      if (f->kind == AtomKind::Symbol) {
        if (auto found = values.find(f->name); found != values.end()) factor = found->second;
      } else if (f->kind != AtomKind::Error) {
        factor = apply(f->kind, f->a.substitute(values), f->b.substitute(values));
      }
      product = product * factor;
    }
    sum = sum + product;
  }
  return sum;
}

void Dim::collect_symbols(std::set<std::string>& into) const {
  if (is_constant()) return;
  for (const DimTerm& t : poly_->terms) {
    for (const AtomRef& f : t.factors) {
      if (f->kind == AtomKind::Symbol) into.insert(f->name);
      f->a.collect_symbols(into);
      f->b.collect_symbols(into);
    }
  }
}

Dim operator+(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant()) {
    auto sum = checked_add(a.constant_, b.constant_);
    return sum ? Dim(*sum) : DimBuilder::error(kOverflow);
  }
  return DimBuilder::add(a, b, 1);
}

Dim operator-(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant()) {
    auto difference = checked_sub(a.constant_, b.constant_);
    return difference ? Dim(*difference) : DimBuilder::error(kOverflow);
  }
  return DimBuilder::add(a, b, -1);
}

Dim operator*(const Dim& a, const Dim& b) {
  if (a.is_constant() && b.is_constant()) {
    auto product = checked_mul(a.constant_, b.constant_);
    return product ? Dim(*product) : DimBuilder::error(kOverflow);
  }
  return DimBuilder::multiply(a, b);
}

bool operator==(const Dim& a, const Dim& b) { return DimBuilder::compare(a, b) == 0; }
bool operator<(const Dim& a, const Dim& b) { return DimBuilder::compare(a, b) < 0; }

Dim product(std::span<const Dim> dims) {
  // A zero wins over an overflow: [0, 2^62, 4] is an empty shape, not an error.
  for (const Dim& d : dims) {
    if (d.is(0)) return 0;
  }
  Dim out = 1;
  for (const Dim& d : dims) out = out * d;
  return out;
}

}  // namespace lathe
