// SPDX-License-Identifier: Apache-2.0
// Trilu: the upper or lower triangle of each matrix, the rest zero.
#include "ops/movement.h"

namespace lathe {
namespace {

constexpr AttrDef kTriluAttrs[] = {
    {"upper", AttrKind::Int, "1", "1: keep columns >= row + k; 0: keep columns <= row + k"},
    {"k", AttrKind::Int, "0", "the diagonal at which the triangle begins"},
};

auto source_of_trilu(std::vector<int64_t> sizes, const Attrs& attrs) {
  const bool upper = attrs.i("upper") != 0;
  return [from = AffineIndex{0, row_strides(sizes)}, upper, k = attrs.i("k")](const int64_t* c) {
    const size_t rank = from.strides.size();
    const int64_t diagonal = c[rank - 1] - c[rank - 2];
    const bool kept = upper ? diagonal >= k : diagonal <= k;
    return kept ? from(c) : kZeroElement;
  };
}

Status infer_trilu(InferContext& ctx) {
  const Shape& x = ctx.shape(0);
  if (x.rank() < 2) return invalid("x has rank {}, expected at least 2", x.rank());
  const int64_t upper = ctx.attrs.i("upper");
  if (upper != 0 && upper != 1) return invalid("upper is {}, expected 0 or 1", upper);
  ctx.add(ctx.dtype(0), x);
  if (whole_contents(ctx, 0)) move_contents(ctx, source_of_trilu(x.sizes(), ctx.attrs));
  return {};
}

Status reference_trilu(const RefArgs& args) {
  return move_elements(args, source_of_trilu(args.op.in[0].shape.sizes(), args.op.attrs));
}

}  // namespace

const OpDef& op_trilu() {
  static constexpr OpDef def{
      .name = "Trilu",
      .doc =
          "y[..., i, j] = x[..., i, j] where j >= i + k (upper) or j <= i + k (lower), else "
          "0.\n"
          "x: any type, rank 2 or more. ONNX Trilu with a constant k.",
      .operands = "x",
      .attrs = kTriluAttrs,
      .infer = infer_trilu,
      .reference = reference_trilu,
      .cost = movement_cost,
  };
  return def;
}

}  // namespace lathe
