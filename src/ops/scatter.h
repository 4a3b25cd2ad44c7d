// SPDX-License-Identifier: Apache-2.0
#pragma once
// What ScatterElements and ScatterND share: updates applied one after another, in row-major order,
// to a copy of x.
#include <cstdint>
#include <span>

#include "base/status.h"
#include "ops/attrs.h"
#include "ops/op.h"

namespace lathe {

// How an update meets the element that it hits. Max and Min return NaN when either is NaN.
enum class Combine : uint8_t { Replace, Add, Mul, Max, Min };

// The attribute both operators have: "none", "add", "mul", "max" or "min".
inline constexpr AttrDef kReductionAttr = {
    "reduction", AttrKind::Text, "none",
    "what an update does to the element that it hits: none (replaces it; the last one stays), "
    "add, mul, max, min"};
Result<Combine> combine_of(const Attrs& attrs);
// Types of x, indices and updates, and that they can be combined.
Status require_scatter_types(const InferContext& ctx);

// The box of output 0: x, then update u combined into element targets[u] of the whole output. The
// arithmetic is done in the element's own type; integers wrap.
Status scatter(const RefArgs& args, std::span<const int64_t> targets);

// x read and written once, the other operands read.
Cost scatter_cost(const OpInstance& op);

}  // namespace lathe
