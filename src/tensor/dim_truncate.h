// SPDX-License-Identifier: Apache-2.0
#pragma once
// Division towards 0, as models divide integers; sizes are counted by floors. The two differ where
// the numerator may be negative:
//
//   Dim n = Dim::symbol("N");
//   trunc_div(n, 2)                               // floordiv(N, 2)
//   trunc_div(n - 3, 2)                           // truncdiv(N - 3, 2)
//   with_floors(trunc_div(n - 3, 2), numerators)  // floordiv(N - 3, 2), and N - 3 in numerators
#include <vector>

#include "tensor/dim.h"

namespace lathe {

Dim trunc_div(const Dim& a, const Dim& b);

// `d` with a floordiv for each truncdiv, which it equals where the numerators, appended to
// `nonnegative`, are not negative. Arguments of min, max and broadcast stay as they are.
Dim with_floors(const Dim& d, std::vector<Dim>& nonnegative);

}  // namespace lathe
