// SPDX-License-Identifier: Apache-2.0
// Concat along one axis. Scalars among vectors count as vectors of one element: some exporters
// write the pieces of a shape so.
#include "onnx/import_axes.h"

namespace lathe {

Status import_concat(NodeImport& n) {
  std::vector<Value*> operands;
  for (size_t k = 0; k < n.operand_count(); ++k) operands.push_back(LATHE_TRY(n.need(k, "input")));
  if (operands.empty()) return invalid("there are no operands");
  if (!n.has("axis")) return invalid("attribute 'axis' is missing");
  const int64_t axis = LATHE_TRY(positive_axis(n.i("axis", 0), operands[0]->type.rank()));
  for (Value*& v : operands) {
    if (v->type.rank() == 0) v = LATHE_TRY(n.reshape(v, {1}));
  }
  if (operands.size() == 1) return n.result(operands[0]);
  return n.result(LATHE_TRY(n.add("Concat", std::move(operands), Attrs().set("axis", axis))));
}

}  // namespace lathe
