// SPDX-License-Identifier: Apache-2.0
#include "tensor/dim_truncate.h"

#include "tensor/dim_poly.h"

namespace lathe {

Dim trunc_div(const Dim& a, const Dim& b) {
  if (DimBuilder::is_error(a)) return a;
  if (DimBuilder::is_error(b)) return b;
  if (b.is(0)) return DimBuilder::error(kDivideByZero);
  if (const auto terms = DimBuilder::terms(b); terms[0].coefficient < 0) {
    const Dim flipped = Dim(0) - b;
    return DimBuilder::is_error(flipped) ? flipped : Dim(0) - trunc_div(a, flipped);
  }
  if (auto q = a.exact_div(b)) return *q;
  const Dim opposite = Dim(0) - a;
  if (b.provably_nonnegative()) {
    if (a.provably_nonnegative()) return Dim::floor_div(a, b);
    if (opposite.provably_nonnegative()) return Dim(0) - Dim::floor_div(opposite, b);
  }
  return DimBuilder::opaque(AtomKind::TruncDiv, a, b);
}

Dim with_floors(const Dim& d, std::vector<Dim>& nonnegative) {
  Dim sum = 0;
  for (const DimTerm& t : DimBuilder::terms(d)) {
    Dim product = t.coefficient;
    for (const AtomRef& f : t.factors) {
      Dim factor = DimBuilder::from_terms({DimTerm{{f}, 1}});
      const bool truncates = f->kind == AtomKind::TruncDiv;
      if (truncates || f->kind == AtomKind::FloorDiv || f->kind == AtomKind::Mod) {
        const Dim a = with_floors(f->a, nonnegative), b = with_floors(f->b, nonnegative);
        if (truncates) nonnegative.push_back(a);
        factor = f->kind == AtomKind::Mod ? Dim::mod(a, b) : Dim::floor_div(a, b);
      }
      product = product * factor;
    }
    sum = sum + product;
  }
  return sum;
}

}  // namespace lathe
