// SPDX-License-Identifier: Apache-2.0
// A 1x1 and a depthwise convolution, each with its expression, as one ExpandDepthwise step.
#include <algorithm>

#include "compiler/plan_edit.h"

namespace lathe {
namespace {

// No expression in front, no part of a tensor, one result, and extras only where `extras` allows.
bool is_plain(const Step& s, bool extras) {
  const Fusion& f = s.op.fusion;
  if (!f.prologue.empty() || f.sliced() || s.out.size() != 1) return false;
  return extras || f.empty() || static_cast<int>(s.in.size()) == f.anchor_operands;
}

bool is_depthwise(const Step& s) {
  const std::vector<TensorType>& in = s.op.fusion.empty() ? s.op.in : s.op.fusion.anchor_in;
  return s.op.def->is("Conv") && in[1].shape[1].is(1) && in[0].shape[1] == in[1].shape[0] &&
         in[1].shape[0].is(s.op.attrs.i("group"));
}

// What the first convolution does to one element of its result.
Expr expression_of(const Step& expansion) {
  const DType type = expansion.op.in[0].dtype;
  const Expr& e = expansion.op.fusion.epilogue;
  if (!e.empty()) return e.with_inputs(std::vector<int>{0, 0}, {type});
  return Expr::identity(type);
}

Attrs attributes(const Step& expansion, const Step& depthwise) {
  const Attrs& window = depthwise.op.attrs;
  return Attrs()
      .set("expr", expression_of(expansion))
      .set("strides", window.ints("strides"))
      .set("dilations", window.ints("dilations"))
      .set("pads", window.ints("pads"));
}

}  // namespace

std::optional<Step> joined_expansion(const Plan& plan, const Step& expansion,
                                     const Step& depthwise) {
  if (!is_depthwise(depthwise) || !is_plain(expansion, false) || !is_plain(depthwise, true))
    return std::nullopt;
  // Another operand that is the same tensor would still need it.
  if (std::count(depthwise.in.begin(), depthwise.in.end(), depthwise.in[0]) != 1)
    return std::nullopt;
  const Fusion& last = depthwise.op.fusion;
  if (expansion.op.fusion.epilogue_reads_operand() || last.epilogue_reads_operand())
    return std::nullopt;
  const size_t own = last.empty() ? depthwise.in.size() : static_cast<size_t>(last.anchor_operands);
  Step joined = depthwise;
  joined.name = joined_name(expansion, depthwise);
  joined.why.clear();
  joined.in.clear();
  joined.op.in.clear();
  const auto take = [&](const Step& from, size_t k, size_t count) {
    const bool given = k < count;
    joined.in.push_back(given ? from.in[k] : -1);
    joined.op.in.push_back(given ? from.op.in[k] : TensorType());
  };
  take(expansion, 0, expansion.in.size());
  take(expansion, 1, expansion.in.size());
  take(depthwise, 1, own);
  take(expansion, 2, expansion.in.size());
  take(depthwise, 2, own);
  const DType type = joined.op.in[0].dtype;
  for (int k : {1, 2}) {
    const TensorType& weights = joined.op.in[static_cast<size_t>(k)];
    if (weights.dtype != type || tensor(plan, joined.in[static_cast<size_t>(k)]).constant < 0)
      return std::nullopt;
  }
  if (expansion.op.out[0].dtype != type || depthwise.op.in[0].dtype != type) return std::nullopt;
  joined.op.def = find_op("ExpandDepthwise");
  joined.op.attrs = attributes(expansion, depthwise);
  if (!last.empty()) {
    joined.op.fusion.anchor_operands = static_cast<int>(joined.in.size());
    joined.op.fusion.anchor_in = joined.op.in;
    for (size_t k = own; k < depthwise.in.size(); ++k) {
      take(depthwise, k, depthwise.in.size());
    }
  }
  mark_constants(plan, joined);
  return joined;
}

}  // namespace lathe
