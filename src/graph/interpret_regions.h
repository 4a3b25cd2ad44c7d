// SPDX-License-Identifier: Apache-2.0
#pragma once
// If, Loop and Scan for interpret(): which region runs, how often, and on what.
#include <span>
#include <vector>

#include "graph/graph.h"

namespace lathe {

// The results of a node that holds regions. `in` are its operands, empty tensors where absent;
// `bindings` what the graph around it knows, to which the sizes are added that this run decided.
Result<std::vector<HostTensor>> run_regions(const Node& node, std::span<const HostTensor> in,
                                            Bindings& bindings);

}  // namespace lathe
