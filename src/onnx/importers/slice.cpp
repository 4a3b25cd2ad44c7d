// SPDX-License-Identifier: Apache-2.0
// Slice: bounds are clamped here, as dimension expressions, because Lathe's Slice is exact.
#include <limits>

#include "onnx/import_axes.h"

namespace lathe {
namespace {

constexpr int64_t kFar = std::numeric_limits<int32_t>::max();  // exporters' word for "to the end"

// A bound counted from the start and kept within [low, size + high]. A start that is an expression
// of sizes, and an end of a size that is a number, are taken to lie inside: Slice checks it when
// the sizes are known.
Dim clamp_bound(const Dim& bound, const Dim& size, int64_t low, int64_t high) {
  if (bound.is_constant()) {
    const int64_t b = bound.value();
    if (b >= kFar) return size + high;
    if (b <= -kFar) return low;
    if (size.is_constant()) {
      const int64_t at = b < 0 ? b + size.value() : b;
      return std::max(low, std::min(at, size.value() + high));
    }
    if (b < 0) return b == -1 ? size + b : Dim::max(size + b, low);
    // x[:1], x[1:] and x[:-1] take one element to be there (Slice checks it when the size is
    // known), so that picking a token or an image does not make every later shape a min().
    return b <= 1 && high == 0 ? bound : Dim::min(bound, size + high);
  }
  if (bound == size) return size + high;
  return bound;
}

// An end that is an expression, of a size that is one: the shorter of two branches is often cut to
// the longer one's length, and the other way round.
Dim clamp_end(const Dim& end, const Dim& size) {
  const bool known = end.is_constant() || size.is_constant();
  return known ? clamp_bound(end, size, 0, 0) : Dim::min(end, size);
}

struct Cut {
  Dim start, size;
};

Cut cut(const Dim& start, const Dim& end, int64_t step, const Dim& size) {
  const bool forwards = step > 0;
  const Dim first = forwards ? clamp_bound(start, size, 0, 0) : clamp_bound(start, size, 0, -1);
  const Dim last = forwards ? clamp_end(end, size) : clamp_bound(end, size, -1, -1);
  const Dim span = forwards ? last - first : first - last;
  const Dim count = Dim::ceil_div(span, forwards ? step : -step);
  if (count.is_constant()) return {first, std::max<int64_t>(count.value(), 0)};
  const bool whole = count.provably_nonnegative() || count == size - 1;
  return {first, whole ? count : Dim::max(count, 0)};
}

struct Bounds {
  Dims starts, ends;
  Ints axes, steps;
};

Result<Bounds> read_bounds(NodeImport& n, int rank) {
  Bounds b;
  if (n.opset() < 10) {
    for (int64_t v : n.ints("starts")) b.starts.push_back(v);
    for (int64_t v : n.ints("ends")) b.ends.push_back(v);
    b.axes = n.ints("axes", all_axes(static_cast<int>(std::min<size_t>(b.starts.size(), 64))));
  } else {
    b.starts = LATHE_TRY(n.dims_of(1, "starts"));
    b.ends = LATHE_TRY(n.dims_of(2, "ends"));
    b.axes = n.in(3) ? LATHE_TRY(n.ints_of(3, "axes"))
                     : all_axes(static_cast<int>(std::min<size_t>(b.starts.size(), 64)));
    if (n.in(4)) b.steps = LATHE_TRY(n.ints_of(4, "steps"));
  }
  if (b.steps.empty()) b.steps.assign(b.starts.size(), 1);
  if (b.ends.size() != b.starts.size() || b.axes.size() != b.starts.size() ||
      b.steps.size() != b.starts.size()) {
    return invalid("starts, ends, axes and steps differ in length");
  }
  b.axes = LATHE_TRY(positive_axes(b.axes, rank));
  return b;
}

}  // namespace

Status import_slice(NodeImport& n) {
  Value* x = LATHE_TRY(n.need(0, "data"));
  const Bounds b = LATHE_TRY(read_bounds(n, x->type.rank()));
  Ints axes, steps;
  Dims starts, sizes;
  for (size_t k = 0; k < b.axes.size(); ++k) {
    const int64_t step = b.steps[k];
    if (step == 0 || step == std::numeric_limits<int64_t>::min())
      return invalid("a step is {}", step);
    const Dim& size = x->type.shape[static_cast<int>(b.axes[k])];
    Cut c = cut(b.starts[k], b.ends[k], step, size);
    if (c.start.is(0) && c.size == size && step == 1) continue;
    if (c.size.is(0)) c.start = 0;
    // A single element: the step does not matter, and may be beyond any size.
    steps.push_back(c.size.is(0) || c.size.is(1) ? 1 : step);
    axes.push_back(b.axes[k]);
    starts.push_back(c.start);
    sizes.push_back(c.size);
  }
  if (axes.empty()) return n.result(x);
  Attrs attrs;
  attrs.set("axes", axes).set("steps", steps).set("starts", starts).set("sizes", sizes);
  return n.result(LATHE_TRY(n.add("Slice", {x}, std::move(attrs))));
}

}  // namespace lathe
