// SPDX-License-Identifier: Apache-2.0
#pragma once
// Pointwise nodes that are a * x + b for each channel, and scaling of weights by them.
#include <optional>
#include <vector>

#include "graph/graph.h"

namespace lathe {

// One factor and one summand for each channel.
struct Affine {
  std::vector<double> scale, shift;
};

// `node` as an affine function of its operand `k`, its other operands being constants that are
// scalars or vary along `axis` (of `channels` elements) only. Nothing when it is anything else, or
// when a number is not finite.
std::optional<Affine> affine_of(const Node& node, size_t k, int axis, int64_t channels);

// The values of a constant along `axis` of a tensor of rank `rank`, repeated when it is a scalar.
std::optional<std::vector<double>> along_axis(const Value* v, int rank, int axis, int64_t channels);

// A tensor of `type` with these values, or nothing when one is out of the type's range.
std::optional<HostTensor> rounded(DType type, const Shape& shape, std::span<const double> values);

}  // namespace lathe
