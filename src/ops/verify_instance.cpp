// SPDX-License-Identifier: Apache-2.0
// The check that stands between an instance read from a file and everything that trusts one.
#include "ops/op.h"

namespace lathe {
namespace {

Status same_types(std::span<const TensorType> stated, std::span<const TensorType> inferred,
                  std::string_view what) {
  if (stated.size() != inferred.size()) {
    return invalid("{} {} are stated, inference gives {}", stated.size(), what, inferred.size());
  }
  for (size_t k = 0; k < stated.size(); ++k) {
    if (stated[k].dtype != inferred[k].dtype || !(stated[k].shape == inferred[k].shape)) {
      return invalid("{} {} is stated as {}, inference gives {}", what, k, stated[k].to_string(),
                     inferred[k].to_string());
    }
  }
  return {};
}

Status inputs_match(const Expr& expr, std::span<const DType> given, std::string_view what) {
  LATHE_TRY(expr.verify().at(what));
  for (size_t k = 0; k < expr.inputs().size(); ++k) {
    if (k >= given.size())
      return invalid("{}: the expression reads input {}, there are {}", what, k, given.size());
    if (expr.reads(static_cast<int>(k)) && expr.inputs()[k] != given[k]) {
      return invalid("{}: input {} is {}, the expression expects {}", what, k, to_string(given[k]),
                     to_string(expr.inputs()[k]));
    }
  }
  return {};
}

Status broadcasts_to(const Shape& from, const Shape& to) {
  for (int d = 1; d <= from.rank(); ++d) {
    const Dim& f = from[from.rank() - d];
    if (d > to.rank() || (!f.is(1) && !(f == to[to.rank() - d]))) {
      return invalid("{} does not broadcast to {}", from.to_string(), to.to_string());
    }
  }
  return {};
}

Status verify_prologues(const OpInstance& op, std::span<const DType> extras) {
  const Fusion& f = op.fusion;
  if (f.prologue.size() > f.anchor_in.size())
    return invalid("there are more prologues than operands");
  for (size_t k = 0; k < f.anchor_in.size(); ++k) {
    const bool has = k < f.prologue.size() && !f.prologue[k].empty();
    if (!(f.anchor_in[k].shape == op.in[k].shape))
      return invalid("operand {} changes its shape in the fusion", k);
    if (!has) {
      if (f.anchor_in[k].dtype != op.in[k].dtype)
        return invalid("operand {} changes its type in the fusion", k);
      continue;
    }
    std::vector<DType> given = {op.in[k].dtype};
    given.insert(given.end(), extras.begin(), extras.end());
    LATHE_TRY(inputs_match(f.prologue[k], given, "prologue"));
    if (f.prologue[k].outputs().size() != 1 ||
        f.prologue[k].output_type(0) != f.anchor_in[k].dtype) {
      return invalid("the prologue of operand {} gives another type than the anchor reads", k);
    }
    for (size_t e = 0; e < extras.size(); ++e) {
      if (!f.prologue[k].reads(static_cast<int>(e) + 1)) continue;
      LATHE_TRY(broadcasts_to(op.in[f.anchor_in.size() + e].shape, op.in[k].shape).at("prologue"));
    }
  }
  return {};
}

Status verify_epilogue(const OpInstance& op, std::span<const DType> extras) {
  const Fusion& f = op.fusion;
  if (f.epilogue.empty()) return same_types(op.out, f.anchor_out, "results");
  std::vector<DType> given;
  for (const TensorType& t : f.anchor_out) given.push_back(t.dtype);
  given.insert(given.end(), extras.begin(), extras.end());
  if (!f.anchor_in.empty()) given.push_back(f.anchor_in[0].dtype);
  LATHE_TRY(inputs_match(f.epilogue, given, "epilogue"));
  if (f.epilogue.outputs().size() != op.out.size())
    return invalid("the epilogue has another number of results");
  const Shape& shape = f.anchor_out[0].shape;
  for (size_t k = 0; k < op.out.size(); ++k) {
    if (op.out[k].dtype != f.epilogue.output_type(static_cast<int>(k)) ||
        !(op.out[k].shape == shape)) {
      return invalid("result {} differs from what the epilogue gives", k);
    }
  }
  const size_t first = f.anchor_out.size();
  for (size_t e = 0; e < extras.size(); ++e) {
    if (!f.epilogue.reads(static_cast<int>(first + e))) continue;
    LATHE_TRY(broadcasts_to(op.in[f.anchor_in.size() + e].shape, shape).at("epilogue"));
  }
  const auto last = static_cast<int>(first + extras.size());
  if (f.epilogue.inputs().size() > static_cast<size_t>(last) && f.epilogue.reads(last) &&
      !(f.anchor_in[0].shape == shape)) {
    return invalid("the epilogue reads operand 0, whose shape differs from the result's");
  }
  for (size_t k = 1; k < f.anchor_out.size(); ++k) {
    if (!(f.anchor_out[k].shape == shape)) return invalid("the anchor's results differ in shape");
  }
  return {};
}

Status verify_slices(std::span<const std::optional<Slice>> slices,
                     std::span<const TensorType> types) {
  if (slices.size() > types.size()) return invalid("there are more slices than tensors");
  for (size_t k = 0; k < slices.size(); ++k) {
    if (!slices[k]) continue;
    const Slice& s = *slices[k];
    if (s.axis < 0 || s.axis >= types[k].rank()) return invalid("a slice has axis {}", s.axis);
    const Dim room = s.whole - s.start - types[k].shape[s.axis];
    if (!s.start.provably_nonnegative() || !room.provably_nonnegative()) {
      return invalid("a slice may leave its tensor");
    }
  }
  return {};
}

Status verify_fusion(const OpInstance& op) {
  const Fusion& f = op.fusion;
  if (f.anchor_operands != static_cast<int>(f.anchor_in.size()) ||
      f.anchor_in.size() > op.in.size() || f.anchor_out.empty()) {
    return invalid("the fusion has {} anchor operands of {}", f.anchor_operands, op.in.size());
  }
  std::vector<DType> extras;
  for (size_t k = f.anchor_in.size(); k < op.in.size(); ++k) extras.push_back(op.in[k].dtype);
  LATHE_TRY(verify_prologues(op, extras));
  return verify_epilogue(op, extras);
}

}  // namespace

Status verify_instance(const OpInstance& op) {
  if (op.in.size() < 64 && (op.constant_in >> op.in.size()) != 0) {
    return invalid("it names a constant operand that does not exist");
  }
  const bool fused = !op.fusion.empty();
  if (fused) LATHE_TRY(verify_fusion(op).at("fusion"));
  const Inferred inferred =
      LATHE_TRY(infer(*op.def, fused ? op.fusion.anchor_in : op.in, op.attrs));
  // Inference fills in defaults; what reads the instance later expects every attribute there.
  if (!(inferred.op.attrs == op.attrs)) return invalid("its attributes are not all given");
  LATHE_TRY(same_types(fused ? op.fusion.anchor_out : op.out, inferred.op.out, "results"));
  LATHE_TRY(verify_slices(op.fusion.in_slice, op.in).at("operands"));
  return verify_slices(op.fusion.out_slice, op.out).at("results");
}

}  // namespace lathe
