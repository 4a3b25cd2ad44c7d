// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a Pointwise operator makes of known contents: the Add, Mul, Div, Equal, Where and Cast that
// exporters put between Shape and Reshape.
#include "ops/op.h"

namespace lathe {

// Adds contents to the outputs of `context` whose every element is known.
void track_contents(const Expr& expr, const Shape& shape, InferContext& context);

}  // namespace lathe
