// SPDX-License-Identifier: Apache-2.0
// The text form of a graph: what parses prints, and the print parses to the same print.
#include "graph/graph.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lathe;
  const Result<Graph> graph = parse_graph(fuzz::text(data, size));
  fuzz::expect_an_answer(graph.status());
  if (!graph.ok()) return 0;
  (void)verify(*graph);
  const std::string printed = to_string(*graph);
  const Result<Graph> again = parse_graph(printed);
  if (!again.ok()) fuzz::expect_same(printed, again.status().message());
  fuzz::expect_same(printed, to_string(*again));
  return 0;
}
