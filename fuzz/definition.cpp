// SPDX-License-Identifier: Apache-2.0
// Definitions of operators from a stranger (--op), and a node of the first of them on one operand
// and on two: a graph that verifies and that its text gives back, or it is refused.
#include "custom/operators.h"
#include "fuzz.h"
#include "onnx/test_model.h"

namespace {

using namespace lathe;

void use(const std::shared_ptr<const CustomOperators>& custom, size_t operands) {
  const std::string& name = custom->definitions.front().name;
  const size_t colons = name.rfind("::");
  TestModel m(17);
  m.input("a", 1, {-1, 3, -2}).input("b", 1, {3});
  m.node(colons == name.npos ? name : name.substr(colons + 2),
         operands == 1 ? std::vector<std::string>{"a"} : std::vector<std::string>{"a", "b"}, {"y"});
  if (colons != name.npos)
    m.proto.mutable_graph()->mutable_node(0)->set_domain(name.substr(0, colons));
  m.output("y");
  LoadOptions options;
  options.custom = custom;
  const Result<Graph> graph = m.load(options, {.bytes = int64_t{1} << 28, .nodes = 100'000});
  fuzz::expect_an_answer(graph.status());
  if (!graph.ok()) return;
  if (const Status s = verify(*graph); !s.ok())
    fuzz::expect_same("a graph that verifies", s.message());
  const std::string printed = to_string(*graph);
  const Result<Graph> again = parse_graph(printed);
  if (!again.ok()) fuzz::expect_same(printed, again.status().message());
  fuzz::expect_same(printed, to_string(*again));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto custom = std::make_shared<CustomOperators>();
  Result<std::vector<CustomDefinition>> parsed =
      parse_definitions(fuzz::text(data, size), "ops.json");
  fuzz::expect_an_answer(parsed.status());
  if (!parsed.ok() || parsed->empty()) return 0;
  custom->definitions = *std::move(parsed);
  for (const size_t operands : {1, 2}) use(custom, operands);
  return 0;
}
