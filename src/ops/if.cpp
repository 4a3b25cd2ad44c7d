// SPDX-License-Identifier: Apache-2.0
#include "ops/control_flow.h"

namespace lathe {
namespace {

// The type of result k whichever branch runs.
Result<TensorType> merge_branches(const InferContext& c, size_t k) {
  const RegionType &yes = c.regions[0], &no = c.regions[1];
  const TensorType &a = yes.out[k], &b = no.out[k];
  const bool alike = a.dtype == b.dtype && a.rank() == b.rank() && a.layout == b.layout;
  if (!alike) {
    return invalid("result {}: then_branch gives {}, else_branch {}: {} must agree", k,
                   a.to_string(), b.to_string(), a.dtype == b.dtype ? "ranks" : "element types");
  }
  TensorType y = a;
  for (int d = 0; d < a.rank(); ++d) {
    if (a.shape[d] != b.shape[d]) {
      y.shape[d] = LATHE_TRY(fresh_size(c, k, d));
    } else {
      y.shape[d] = LATHE_TRY(outer_size(c, a.shape[d], yes, k, d));
      if (y.shape[d] == a.shape[d]) y.shape[d] = LATHE_TRY(outer_size(c, b.shape[d], no, k, d));
    }
  }
  return y;
}

Status infer_if(InferContext& c) {
  LATHE_TRY(check_symbols(c));
  LATHE_TRY(require_one(c, 0, DType::Bool, "the condition"));
  LATHE_TRY(check_captures(c, c.regions[0], 1, 0, "then_branch"));
  LATHE_TRY(check_captures(c, c.regions[1], 1, 0, "else_branch"));
  const size_t results = c.regions[0].out.size();
  if (results != c.regions[1].out.size()) {
    return invalid("then_branch gives {} results, else_branch {}", results,
                   c.regions[1].out.size());
  }
  if (results == 0) return invalid("the branches give nothing");
  for (size_t k = 0; k < results; ++k) c.out.push_back(LATHE_TRY(merge_branches(c, k)));
  return {};
}

size_t own_of_if(const Attrs&) { return 1; }

}  // namespace

const OpDef& op_if() {
  static constexpr AttrDef attrs[] = {{"symbols", AttrKind::Text, "\"\"", kSymbolsDoc}};
  static constexpr OpDef def{
      .name = "If",
      .doc =
          "y... = then_branch(captures...) where cond holds, else else_branch(captures...). "
          "Element "
          "types and ranks of the two must agree; a size that differs is a symbol of the node. "
          "ONNX "
          "If, where the condition is not known when the model is read.",
      .operands = "cond [captures]...",
      .results = "y...",
      .attrs = attrs,
      .flags = kNone,
      .infer = infer_if,
      .regions = "then_branch else_branch",
      .own_operands = own_of_if,
  };
  return def;
}

}  // namespace lathe
