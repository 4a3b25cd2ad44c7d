// SPDX-License-Identifier: Apache-2.0
// Sum, Mean, Max and Min of any number of operands, broadcast.
#include "onnx/node_import.h"

namespace lathe {
namespace {

constexpr size_t kPerNode = 8;  // operands of one expression

std::string chain(std::string_view op, size_t count) {
  std::string body = "%0";
  for (size_t k = 1; k < count; ++k) body = fmt::format("{}({}, %{})", op, body, k);
  return body;
}

}  // namespace

Status import_variadic(NodeImport& n) {
  const std::string_view op = n.type() == "Max" ? "max" : n.type() == "Min" ? "min" : "add";
  std::vector<Value*> operands;
  for (size_t k = 0; k < n.operand_count(); ++k) operands.push_back(LATHE_TRY(n.need(k, "data")));
  if (operands.empty()) return invalid("there are no operands");
  const auto count = static_cast<double>(operands.size());
  while (operands.size() > 1) {
    const size_t take = std::min(operands.size(), kPerNode);
    std::vector<Value*> first(operands.begin(), operands.begin() + static_cast<int64_t>(take));
    Value* y = LATHE_TRY(n.pointwise(chain(op, take), first));
    operands.erase(operands.begin() + 1, operands.begin() + static_cast<int64_t>(take));
    operands[0] = y;
  }
  if (n.type() != "Mean") return n.result(operands[0]);
  return n.result(LATHE_TRY(n.pointwise(fmt::format("div(%0, {}:$)", count), {operands[0]})));
}

}  // namespace lathe
