// SPDX-License-Identifier: Apache-2.0
// What the reference says about an instance, and how near a candidate must come.
#include <algorithm>
#include <bit>
#include <cmath>

#include "base/parallel.h"
#include "base/random.h"
#include "ops/op_common.h"
#include "tensor/element.h"
#include "tensor/relayout.h"
#include "tuner/test_data.h"

namespace lathe {
namespace {

// Rounding of intermediates counts at the narrowest type that the expressions compute in.
double accumulation_roundoff(const OpInstance& op, DType out) {
  const bool elementwise = op.def->name == "Pointwise" || !op.fusion.empty();
  double eps = elementwise ? unit_roundoff(out) : std::min(unit_roundoff(out), 0x1p-24);
  if (!elementwise) return eps;
  for (const TensorType& t : op.fusion.anchor_out) eps = std::max(eps, unit_roundoff(t.dtype));
  return eps;
}

// A box of about so many elements: at the beginning or end of the dimensions that `corner` names
// (bit d: at the end), as long in one as in another.
Box corner_box(std::span<const int64_t> sizes, std::span<const size_t> dims, unsigned corner,
               int64_t elements) {
  Box box{std::vector<int64_t>(sizes.size(), 0), std::vector<int64_t>(sizes.size(), 1)};
  for (size_t k = dims.size(); k-- > 0;) {
    const auto side = std::pow(static_cast<double>(elements), 1.0 / static_cast<double>(k + 1));
    const int64_t size = sizes[dims[k]];
    const int64_t length = std::clamp<int64_t>(std::llround(side), 1, size);
    box.begin[dims[k]] = (corner >> k & 1) != 0 ? size - length : 0;
    box.end[dims[k]] = box.begin[dims[k]] + length;
    elements = std::max<int64_t>(1, elements / length);
  }
  return box;
}

// A box anywhere: long in the trailing dimensions, or in the leading ones.
Box random_box(std::span<const int64_t> sizes, bool trailing, int64_t elements, Random& random) {
  Box box{std::vector<int64_t>(sizes.size(), 0), std::vector<int64_t>(sizes.size(), 1)};
  for (size_t d = sizes.size(); d-- > 0;) {
    const size_t axis = trailing ? d : sizes.size() - 1 - d;
    const int64_t most = trailing ? elements : std::min<int64_t>(elements, 16);
    const int64_t length = std::min(sizes[axis], std::max<int64_t>(1, most));
    box.begin[axis] = random.integer(0, sizes[axis] - length);
    box.end[axis] = box.begin[axis] + length;
    elements = std::max<int64_t>(1, elements / length);
  }
  return box;
}

// Every corner of the last three dimensions, since kernels go wrong where blocks end, and some
// boxes anywhere.
std::vector<Box> sample_boxes(const OpInstance& op, uint64_t seed) {
  constexpr double kWork = 3e5;  // scalar operations a box: a third of a millisecond
  constexpr int kRandom = 4, kCornersPerBox = 4;
  const std::vector<int64_t> sizes = op.out[0].shape.sizes();
  const double per_element =
      cost_of(op).flops / std::max<double>(1, static_cast<double>(op.out[0].shape.elements()));
  const auto elements =
      static_cast<int64_t>(std::clamp(kWork / std::max(1.0, per_element), 4.0, 1024.0));
  std::vector<size_t> dims;
  for (size_t d = sizes.size(); d-- > 0 && dims.size() < 3;) {
    if (sizes[d] > 1) dims.push_back(d);
  }
  Random random(seed ^ 0x5bd1e995u);
  std::vector<Box> boxes;
  for (unsigned corner = 0; corner < 1u << dims.size(); ++corner) {
    boxes.push_back(
        corner_box(sizes, dims, corner, std::max<int64_t>(4, elements / kCornersPerBox)));
    // Of the dimensions before those, the first and the last.
    for (size_t d = 0; d + 1 < sizes.size() && std::popcount(corner) % 2 != 0; ++d) {
      if (std::find(dims.begin(), dims.end(), d) != dims.end()) continue;
      boxes.back().begin[d] = sizes[d] - 1;
      boxes.back().end[d] = sizes[d];
    }
  }
  for (int k = 0; k < kRandom; ++k)
    boxes.push_back(random_box(sizes, k % 2 == 0, elements, random));
  return boxes;
}

int64_t linear_index(const int64_t* c, const Shape& shape) {
  int64_t at = 0;
  for (int d = 0; d < shape.rank(); ++d) at = at * shape[d].value() + c[d];
  return at;
}

bool has_numbers(DType t) { return t != DType::String && kind(t) != DKind::Complex; }

// Types without arithmetic are moved about: bit for bit, and whole.
Status compare_bytes(const HostTensor& want, const HostTensor& got) {
  return want == LATHE_TRY(relayout(got, Layout::RowMajor))
             ? Status()
             : internal("its bytes are not those of the reference");
}

// `expr` with result k alone.
Expr one_output(const Expr& expr, size_t k) {
  Expr out(std::vector<DType>(expr.inputs().begin(), expr.inputs().end()));
  std::vector<int> at;
  for (const ExprNode& n : expr.nodes()) {
    auto arg = [&](int i) { return at[static_cast<size_t>(n.args[i])]; };
    switch (n.op) {
      case ScalarOp::Input: at.push_back(out.input(n.input)); continue;
      case ScalarOp::Literal:
        at.push_back(is_float(n.dtype) ? out.literal(n.dtype, n.value)
                                       : out.literal_int(n.dtype, n.integer));
        continue;
      case ScalarOp::Cast:
      case ScalarOp::CastSaturate:
        at.push_back(out.cast(arg(0), n.dtype, n.op == ScalarOp::CastSaturate));
        continue;
      default: break;
    }
    switch (arity(n.op)) {
      case 1: at.push_back(out.call(n.op, {arg(0)})); break;
      case 2: at.push_back(out.call(n.op, {arg(0), arg(1)})); break;
      default: at.push_back(out.call(n.op, {arg(0), arg(1), arg(2)})); break;
    }
  }
  out.output(at[static_cast<size_t>(expr.outputs()[k])]);
  return out.canonical();
}

// The instance with result k alone, where an expression makes the results; else the instance.
OpInstance with_output(const OpInstance& op, size_t k) {
  OpInstance one = op;
  if (op.out.size() == 1) return one;
  if (op.def->is("Pointwise")) {
    one.attrs.set("expr", one_output(op.attrs.expr("expr"), k));
  } else {
    one.fusion.epilogue = one_output(op.fusion.epilogue, k);
  }
  one.out = {op.out[k]};
  return one;
}

bool computes_boxes(const OpInstance& op) {
  for (const TensorType& t : op.out) {
    if (!has_numbers(t.dtype)) return false;
  }
  const bool by_expression = op.def->is("Pointwise") || !op.fusion.epilogue.empty();
  return (op.def->flags & kBoxes) != 0 && (op.out.size() == 1 || by_expression);
}

// Whether rounding can reach the result at all.
bool reads_floats(const OpInstance& op) {
  return std::any_of(op.in.begin(), op.in.end(),
                     [](const TensorType& t) { return is_float(t.dtype); });
}

}  // namespace

Result<Expectation> Expectation::make(const OpInstance& op, std::span<const HostTensor> inputs,
                                      uint64_t seed, bool whole) {
  constexpr double kCheapFlops = 4e6;
  Expectation e;
  const bool small = op.out[0].shape.elements() <= 32768 && cost_of(op).flops <= kCheapFlops;
  if (op.out[0].shape.elements() == 0) return e;
  if (!computes_boxes(op)) {
    std::vector<HostTensor> values = LATHE_TRY(run_reference(op, inputs));
    for (size_t k = 0; k < values.size(); ++k) {
      Box box = Box::whole(values[k].shape());
      e.parts_.push_back({k, std::move(box), std::move(values[k]), HostTensor()});
    }
    return e;
  }
  const std::vector<Box> boxes =
      whole || small ? Box::whole(op.out[0].shape).split(thread_count()) : sample_boxes(op, seed);
  for (size_t k = 0; k < op.out.size(); ++k) {
    std::vector<BoxResult> results =
        LATHE_TRY(run_reference_boxes(with_output(op, k), inputs, boxes));
    for (size_t b = 0; b < boxes.size(); ++b) {
      BoxResult& r = results[b];
      e.parts_.push_back({k, boxes[b], std::move(r.value), std::move(r.magnitude)});
    }
  }
  return e;
}

double operand_roundoff(const OpInstance& op, const Config& config) {
  constexpr double kTf32 = 0x1p-11;  // 10 bits behind the point, rounded to nearest
  const bool products = op.def->is("Conv") || op.def->is("Deconv") || op.def->is("MatMul");
  const bool of_f32 = std::any_of(op.in.begin(), op.in.end(),
                                  [](const TensorType& t) { return t.dtype == DType::F32; });
  return products && of_f32 && allows_tf32(config) ? kTf32 : 0;
}

// How far an element may be off. A rounding before a conversion to integers may land one beside.
double Expectation::Part::allowed(const OpInstance& op, int64_t at, double want, double largest,
                                  double roundoff) const {
  const DType type = value.dtype();
  if (!is_float(type)) {
    const bool rounded = !magnitude.empty() && magnitude.get_f64(at) > 0 && reads_floats(op);
    return rounded ? 1 : 0;
  }
  const double terms = magnitude.empty() ? largest : magnitude.get_f64(at);
  return tolerance_of(op) * (std::max(accumulation_roundoff(op, type), roundoff) * terms +
                             unit_roundoff(type) * (std::abs(want) + largest));
}

Status Expectation::Part::compare(const OpInstance& op, const HostTensor& got, double roundoff,
                                  Certificate& into) const {
  if (!has_numbers(got.dtype())) return compare_bytes(value, got);
  double largest = 0;
  for (int64_t i = 0; i < value.elements(); ++i) {
    const double v = std::abs(value.get_f64(i));
    if (std::isfinite(v)) largest = std::max(largest, v);
  }
  Status wrong;
  const ElementPlaces places(got.type());
  for_each(box, [&](const int64_t* c, int64_t at) {
    if (!wrong.ok()) return;
    const double want = value.get_f64(at);
    const double have = load_f64(got.dtype(), got.bytes().data(), places.of(c));
    ++into.elements;
    if (want == have || (std::isnan(want) && std::isnan(have))) return;
    const double error = std::abs(have - want);
    const double bound = allowed(op, at, want, largest, roundoff);
    if (largest > 0) into.max_error = std::max(into.max_error, error / largest);
    if (bound > 0) into.bound_used = std::max(into.bound_used, error / bound);
    if (error <= bound) return;
    wrong = internal("element {} of result {} is {}, the reference says {} (allowed {:.3g})",
                     linear_index(c, got.shape()), output, have, want, bound);
  });
  return wrong;
}

Status Expectation::compare(const OpInstance& op, std::span<const HostTensor> outputs,
                            Certificate& into, double operand_roundoff) const {
  std::vector<Status> wrong(parts_.size());
  std::vector<Certificate> found(parts_.size());
  parallel_for(static_cast<int64_t>(parts_.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto k = static_cast<size_t>(begin); k < static_cast<size_t>(end); ++k)
      wrong[k] = parts_[k].compare(op, outputs[parts_[k].output], operand_roundoff, found[k]);
  });
  for (size_t k = 0; k < parts_.size(); ++k) {
    into.elements += found[k].elements;
    into.max_error = std::max(into.max_error, found[k].max_error);
    into.bound_used = std::max(into.bound_used, found[k].bound_used);
    LATHE_TRY(std::move(wrong[k]));
  }
  into.checked = true;
  return {};
}

}  // namespace lathe
