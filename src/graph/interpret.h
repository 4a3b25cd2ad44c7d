// SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs a graph node by node with the operators' references: slow, obvious, and the oracle that
// passes, compilers and whole models are compared with.
//
//   std::vector<HostTensor> y = LATHE_TRY(interpret(graph, {{x}}, {}));
#include <span>
#include <vector>

#include "graph/graph.h"

namespace lathe {

// Outputs in the graph's order. `inputs` stand in the graph's order; symbols that are a whole
// dimension of an input are bound by its shape, those of an If, Loop or Scan when it has run,
// others must be in `bindings`. Every constraint of the graph is checked, those of a region
// whenever it runs. A value is freed after its last reader.
Result<std::vector<HostTensor>> interpret(const Graph& graph, std::span<const HostTensor> inputs,
                                          const Bindings& bindings = {});

// The bindings that the inputs' shapes imply, added to `bindings`; an error where an input does
// not have the type that the graph states.
Result<Bindings> bind_inputs(const Graph& graph, std::span<const HostTensor> inputs,
                             const Bindings& bindings = {});

}  // namespace lathe
