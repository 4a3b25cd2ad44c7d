// SPDX-License-Identifier: Apache-2.0
// Runs references: prologues, the anchor, the epilogue, on whole tensors or on a box of output 0.
#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "ops/elementwise.h"
#include "ops/op.h"
#include "ops/op_common.h"

namespace lathe {
namespace {

Status check_inputs(const OpInstance& op, std::span<const HostTensor> in) {
  if (!op.is_concrete()) return internal("a reference needs concrete shapes");
  if (in.size() != op.in.size()) {
    return invalid("expected {} operands, got {}", op.in.size(), in.size());
  }
  for (size_t k = 0; k < in.size(); ++k) {
    if (in[k].dtype() != op.in[k].dtype || in[k].shape() != op.in[k].shape) {
      return invalid("operand {} must be {}, not {}", k, op.in[k].to_string(),
                     in[k].type().to_string());
    }
  }
  return {};
}

std::vector<int64_t> box_sizes(const Box& box) {
  std::vector<int64_t> out;
  for (size_t d = 0; d < box.begin.size(); ++d) out.push_back(box.end[d] - box.begin[d]);
  return out;
}

Status check_box(const Box& box, const Shape& shape) {
  std::vector<int64_t> sizes = shape.sizes();
  bool ok = box.begin.size() == sizes.size() && box.end.size() == sizes.size();
  for (size_t d = 0; ok && d < sizes.size(); ++d) {
    ok = box.begin[d] >= 0 && box.begin[d] <= box.end[d] && box.end[d] <= sizes[d];
  }
  if (!ok) return invalid("the box does not lie in {}", shape.to_string());
  return {};
}

// The anchor as its reference sees it: no fusion, row-major.
OpInstance anchor_of(const OpInstance& op) {
  OpInstance anchor = op;
  if (!op.fusion.empty()) {
    anchor.in = op.fusion.anchor_in;
    anchor.out = op.fusion.anchor_out;
  }
  anchor.fusion = {};
  for (TensorType& t : anchor.in) t.layout = Layout::RowMajor;
  for (TensorType& t : anchor.out) t.layout = Layout::RowMajor;
  return anchor;
}

// Operands of the anchor after their prologues.
Result<std::vector<HostTensor>> run_prologues(const OpInstance& op,
                                              std::span<const HostTensor> in) {
  const Fusion& f = op.fusion;
  if (f.empty()) return std::vector<HostTensor>(in.begin(), in.end());
  size_t own = static_cast<size_t>(f.anchor_operands);
  if (own > in.size() || f.anchor_in.size() != own || f.prologue.size() > own) {
    return internal("the fusion's operands do not agree");
  }
  std::vector<HostTensor> out(in.begin(), in.begin() + f.anchor_operands);
  for (size_t k = 0; k < f.prologue.size(); ++k) {
    if (f.prologue[k].empty()) continue;
    std::vector<ElementSource> sources = {{.tensor = &in[k]}};
    for (size_t e = own; e < in.size(); ++e) sources.push_back({.tensor = &in[e]});
    const Shape& shape = f.anchor_in[k].shape;
    HostTensor value = LATHE_TRY(HostTensor::make({f.anchor_in[k].dtype, shape}));
    LATHE_TRY(apply(f.prologue[k], sources, shape, Box::whole(shape), {&value, 1}));
    out[k] = std::move(value);
  }
  return out;
}

struct AnchorResult {
  std::vector<HostTensor> out;  // out[0] box-shaped, or whole where the anchor has no boxes
  HostTensor magnitude;         // as out[0]; empty: not asked for
};

Result<AnchorResult> run_anchor(const OpInstance& anchor, std::span<const HostTensor> in,
                                const Box& box, bool with_magnitude) {
  AnchorResult result;
  for (const TensorType& t : anchor.out) result.out.push_back(LATHE_TRY(HostTensor::make(t)));
  if (!box.is_whole(anchor.out[0].shape)) {
    TensorType boxed{anchor.out[0].dtype, Shape::of(box_sizes(box))};
    result.out[0] = LATHE_TRY(HostTensor::make(boxed));
  }
  if (with_magnitude) {
    result.magnitude = LATHE_TRY(HostTensor::zeros({DType::F64, result.out[0].shape()}));
  }
  RefArgs args{anchor, in, result.out, box, with_magnitude ? &result.magnitude : nullptr};
  LATHE_TRY(anchor.def->reference(args));
  if (with_magnitude) {
    // No bound where the terms are not numbers: the result is compared as NaN or infinity.
    for (double& m : result.magnitude.mutable_span<double>()) m = std::isnan(m) ? 0 : m;
  }
  return result;
}

// The anchor's error bound as absolute numbers, without the tolerance's k: that applies once, to
// the result of the epilogue.
HostTensor absolute_errors(const AnchorResult& anchor) {
  HostTensor out = anchor.magnitude;
  double unit = unit_roundoff(anchor.out[0].dtype());
  const HostTensor& value = anchor.out[0];
  std::span<double> errors = out.mutable_span<double>();
  for (size_t i = 0; i < errors.size(); ++i) {
    if (errors[i] == 0) continue;  // exact
    errors[i] = unit * (errors[i] + std::abs(value.get_f64(static_cast<int64_t>(i))));
  }
  return out;
}

// Runs the epilogue over the box; `anchor.out[0]` has the box's shape.
Status run_epilogue(const OpInstance& op, std::span<const HostTensor> in,
                    const std::vector<HostTensor>& anchor_in, const AnchorResult& anchor,
                    const Box& box, std::span<HostTensor> out, HostTensor* magnitude) {
  const Fusion& f = op.fusion;
  const Shape& shape = f.anchor_out[0].shape;
  HostTensor errors;
  if (magnitude != nullptr) errors = absolute_errors(anchor);
  std::vector<ElementSource> sources;
  for (size_t k = 0; k < anchor.out.size(); ++k) {
    sources.push_back({.tensor = &anchor.out[k], .is_boxed = k == 0});
  }
  if (magnitude != nullptr) sources[0].error = &errors;
  for (size_t e = static_cast<size_t>(f.anchor_operands); e < in.size(); ++e) {
    sources.push_back({.tensor = &in[e]});
  }
  bool same_shape = !anchor_in.empty() && anchor_in[0].shape() == shape;
  sources.push_back({.tensor = same_shape ? &anchor_in[0] : nullptr});
  return apply(f.epilogue, sources, shape, box, out, magnitude);
}

Result<std::vector<HostTensor>> run_whole(const OpInstance& op, std::span<const HostTensor> in) {
  LATHE_TRY(check_inputs(op, in));
  if (op.def->reference == nullptr) return unsupported("no reference runs the graphs inside");
  OpInstance anchor = anchor_of(op);
  std::vector<HostTensor> anchor_in = LATHE_TRY(run_prologues(op, in));
  Box box = Box::whole(anchor.out[0].shape);
  AnchorResult result = LATHE_TRY(run_anchor(anchor, anchor_in, box, false));
  if (op.fusion.epilogue.empty()) return std::move(result.out);
  std::vector<HostTensor> out;
  for (const TensorType& t : op.out) {
    out.push_back(LATHE_TRY(HostTensor::make({t.dtype, t.shape})));
  }
  LATHE_TRY(run_epilogue(op, in, anchor_in, result, box, out, nullptr));
  return out;
}

Result<BoxResult> run_box(const OpInstance& op, const OpInstance& anchor,
                          std::span<const HostTensor> in, const std::vector<HostTensor>& anchor_in,
                          const Box& box) {
  bool boxes = (op.def->flags & kBoxes) != 0;
  Box computed = boxes ? box : Box::whole(anchor.out[0].shape);
  AnchorResult result = LATHE_TRY(run_anchor(anchor, anchor_in, computed, true));
  if (!boxes) {
    result.out[0] = LATHE_TRY(cut(result.out[0], box));
    result.magnitude = LATHE_TRY(cut(result.magnitude, box));
  }
  if (op.fusion.epilogue.empty()) {
    return BoxResult{std::move(result.out[0]), std::move(result.magnitude)};
  }
  Shape shape = Shape::of(box_sizes(box));
  BoxResult out;
  out.value = LATHE_TRY(HostTensor::make({op.out[0].dtype, shape}));
  out.magnitude = LATHE_TRY(HostTensor::zeros({DType::F64, shape}));
  LATHE_TRY(run_epilogue(op, in, anchor_in, result, box, {&out.value, 1}, &out.magnitude));
  return out;
}

Result<std::vector<BoxResult>> run_boxes(const OpInstance& op, std::span<const HostTensor> in,
                                         std::span<const Box> boxes) {
  LATHE_TRY(check_inputs(op, in));
  for (const Box& box : boxes) LATHE_TRY(check_box(box, op.out[0].shape));
  const OpInstance anchor = anchor_of(op);
  const std::vector<HostTensor> anchor_in = LATHE_TRY(run_prologues(op, in));
  std::vector<Result<BoxResult>> results(boxes.size(), internal("not run"));
  parallel_for(static_cast<int64_t>(boxes.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto b = static_cast<size_t>(begin); b < static_cast<size_t>(end); ++b)
      results[b] = run_box(op, anchor, in, anchor_in, boxes[b]);
  });
  std::vector<BoxResult> out;
  out.reserve(results.size());
  for (Result<BoxResult>& r : results) out.push_back(LATHE_TRY(std::move(r)));
  return out;
}

}  // namespace

bool has_reference(const OpInstance& op) {
  if (op.def->reference == nullptr) return false;
  return op.def->has_reference == nullptr || op.def->has_reference(op);
}

double tolerance_of(const OpInstance& op) {
  const AttrValue* own = op.def->is("Custom") ? op.attrs.find("tolerance") : nullptr;
  return own != nullptr && std::holds_alternative<double>(*own) ? std::get<double>(*own)
                                                                : op.def->tolerance.k;
}

Result<std::vector<HostTensor>> run_reference(const OpInstance& op,
                                              std::span<const HostTensor> in) {
  Result<std::vector<HostTensor>> out = run_whole(op, in);
  if (!out.ok()) return std::move(out).status().at(op.def->name);
  return out;
}

Result<BoxResult> run_reference_box(const OpInstance& op, std::span<const HostTensor> in,
                                    const Box& box) {
  std::vector<BoxResult> out = LATHE_TRY(run_reference_boxes(op, in, {&box, 1}));
  return std::move(out[0]);
}

Result<std::vector<BoxResult>> run_reference_boxes(const OpInstance& op,
                                                   std::span<const HostTensor> in,
                                                   std::span<const Box> boxes) {
  Result<std::vector<BoxResult>> out = run_boxes(op, in, boxes);
  if (!out.ok()) return std::move(out).status().at(op.def->name);
  return out;
}

}  // namespace lathe
