// SPDX-License-Identifier: Apache-2.0
// An ONNX model from a stranger, without files beside it: it loads into a graph that verifies and
// that its text gives back, or it is refused.
#include "base/budget.h"
#include "fuzz.h"
#include "onnx/load.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lathe;
  Budget budget({.bytes = int64_t{1} << 28, .nodes = 100'000});
  const Result<Graph> graph = load_onnx(std::as_bytes(std::span(data, size)), nullptr, budget);
  fuzz::expect_an_answer(graph.status());
  if (!graph.ok()) return 0;
  if (const Status s = verify(*graph); !s.ok())
    fuzz::expect_same("a graph that verifies", s.message());
  if (size > 100'000) return 0;  // the tensors' text would be large
  const std::string printed = to_string(*graph);
  const Result<Graph> again = parse_graph(printed);
  if (!again.ok()) fuzz::expect_same(printed, again.status().message());
  fuzz::expect_same(printed, to_string(*again));
  return 0;
}
