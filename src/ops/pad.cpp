// SPDX-License-Identifier: Apache-2.0
// Pad: a tensor with a margin; a negative margin crops.
#include <algorithm>

#include "base/math.h"
#include "ops/movement.h"

namespace lathe {
namespace {

enum class Mode { Constant, Reflect, Edge, Wrap };
constexpr std::string_view kPadModes[] = {"constant", "reflect", "edge", "wrap"};

constexpr AttrDef kPadAttrs[] = {
    {"mode", AttrKind::Text, "constant",
     "what the margin holds: constant (value), reflect (mirrored, the edge once), edge (repeated), "
     "wrap (from the other side)"},
    {"before", AttrKind::Dims, "", "for each axis the margin before x; negative crops"},
    {"after", AttrKind::Dims, "", "for each axis the margin after x; negative crops"},
};

// One axis: the part of x that is kept, and where it begins in y.
struct Axis {
  int64_t first = 0, size = 0;  // in x
  int64_t margin = 0;           // in y, before it
  // x's coordinate of y's coordinate c; kZeroElement in a constant margin.
  int64_t source(int64_t c, Mode mode) const {
    const int64_t i = c - margin;
    if (i >= 0 && i < size) return first + i;
    switch (mode) {
      case Mode::Constant: return kZeroElement;
      case Mode::Edge: return first + std::clamp<int64_t>(i, 0, size - 1);
      case Mode::Wrap: return first + floor_mod(i, size);
      case Mode::Reflect: break;
    }
    if (size == 1) return first;
    const int64_t period = 2 * (size - 1);
    const int64_t m = floor_mod(i, period);
    return first + std::min(m, period - m);
  }
};

std::vector<Axis> axes_of(const OpInstance& op) {
  std::vector<Axis> axes;
  for (int d = 0; d < op.in[0].rank(); ++d) {
    const int64_t before = op.attrs.dims("before")[static_cast<size_t>(d)].value();
    const int64_t after = op.attrs.dims("after")[static_cast<size_t>(d)].value();
    const int64_t size = op.in[0].shape[d].value();
    const int64_t cropped = size + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0);
    axes.push_back({std::max<int64_t>(-before, 0), cropped, std::max<int64_t>(before, 0)});
  }
  return axes;
}

// Something of x must be left, and enough to fill a margin that is not constant.
Status require_kept(InferContext& ctx, int d, Mode mode) {
  const Dim& before = ctx.attrs.dims("before")[static_cast<size_t>(d)];
  const Dim& after = ctx.attrs.dims("after")[static_cast<size_t>(d)];
  const auto crops = [](const Dim& pad) { return Dim::min(pad, 0); };
  const Dim kept = ctx.shape(0)[d] + crops(before) + crops(after);
  const auto what = fmt::format("what is left of dimension {} of x", d);
  const bool margin = crops(before) != before || crops(after) != after;
  return mode != Mode::Constant && margin ? require_positive(ctx, kept, what)
                                          : require_nonnegative(ctx, kept, what);
}

Status check_value(const InferContext& ctx) {
  if (!ctx.has(1)) return {};
  LATHE_TRY(require_same_dtype(ctx, 1, "value"));
  if (ctx.shape(1).rank() != 0) {
    return invalid("value has rank {}, expected a scalar", ctx.shape(1).rank());
  }
  return {};
}

Status infer_pad(InferContext& ctx) {
  const Shape& x = ctx.shape(0);
  const auto rank = static_cast<size_t>(x.rank());
  const Dims& before = ctx.attrs.dims("before");
  const Dims& after = ctx.attrs.dims("after");
  const auto mode = static_cast<Mode>(LATHE_TRY(word_of(ctx.attrs, "mode", kPadModes)));
  LATHE_TRY(require_entries("before", before.size(), rank, "one for each dimension of x"));
  LATHE_TRY(require_entries("after", after.size(), rank, "one for each dimension of x"));
  LATHE_TRY(check_value(ctx));
  Shape y;
  for (size_t d = 0; d < rank; ++d) {
    const auto axis = static_cast<int>(d);
    LATHE_TRY(require_kept(ctx, axis, mode));
    y.push_back(x[axis] + before[d] + after[d]);
    LATHE_TRY(require_nonnegative(ctx, y[axis], fmt::format("dimension {} of y", axis)));
  }
  ctx.add(ctx.dtype(0), y);
  return {};
}

Status reference_pad(const RefArgs& args) {
  const auto mode = static_cast<Mode>(LATHE_TRY(word_of(args.op.attrs, "mode", kPadModes)));
  const std::vector<Axis> axes = axes_of(args.op);
  const std::vector<int64_t> strides = row_strides(args.op.in[0].shape.sizes());
  const bool has_value = args.in.size() > 1 && !args.in[1].empty();
  ElementSink sink(args.out[0]);
  for_each(args.box, [&](const int64_t* c, int64_t at) {
    int64_t from = 0;
    for (size_t d = 0; d < axes.size() && from != kZeroElement; ++d) {
      const int64_t i = axes[d].source(c[d], mode);
      from = i == kZeroElement ? kZeroElement : from + i * strides[d];
    }
    if (from != kZeroElement) {
      sink.put(at, args.in[0], from);
    } else if (has_value) {
      sink.put(at, args.in[1], 0);
    } else {
      sink.zero(at);
    }
  });
  sink.finish();
  return {};
}

}  // namespace

const OpDef& op_pad() {
  static constexpr OpDef def{
      .name = "Pad",
      .doc =
          "y's dimension d is before[d] + x's + after[d]. Negative margins crop x first; then "
          "the margins are filled by `mode`, with value (0 when absent) if constant.\n"
          "x: any type; value: a scalar of x's type. reflect and wrap repeat as often as the "
          "margin needs. ONNX Pad, once its axes are spelled out.",
      .operands = "x [value]",
      .attrs = kPadAttrs,
      .infer = infer_pad,
      .reference = reference_pad,
      .cost = movement_cost,
  };
  return def;
}

}  // namespace lathe
