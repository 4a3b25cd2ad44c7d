// SPDX-License-Identifier: Apache-2.0
#include "ops/elementwise.h"
#include "ops/op.h"
#include "ops/pointwise_contents.h"

namespace lathe {
namespace {

Status infer_pointwise(InferContext& c) {
  const Expr& expr = c.attrs.expr("expr");
  if (expr.empty()) return invalid("the expression has no result");
  if (expr.inputs().size() != c.in.size()) {
    return invalid("the expression has {} inputs, given {} operands", expr.inputs().size(),
                   c.in.size());
  }
  Shape shape = c.shape(0);
  for (int k = 0; k < c.operands(); ++k) {
    DType expected = expr.inputs()[static_cast<size_t>(k)];
    if (c.dtype(k) != expected) {
      return invalid("operand {} is {}, the expression expects {}", k, to_string(c.dtype(k)),
                     to_string(expected));
    }
    if (k > 0) shape = LATHE_TRY(c.broadcast(shape, c.shape(k)));
  }
  for (size_t k = 0; k < expr.outputs().size(); ++k) {
    c.add(expr.output_type(static_cast<int>(k)), shape);
  }
  track_contents(expr, shape, c);
  return {};
}

Status reference_pointwise(const RefArgs& args) {
  std::vector<ElementSource> sources;
  for (const HostTensor& t : args.in) sources.push_back({.tensor = &t});
  const Shape& shape = args.op.out[0].shape;
  std::span<HostTensor> out = args.box.is_whole(shape) ? args.out : args.out.first(1);
  return apply(args.op.attrs.expr("expr"), sources, shape, args.box, out, args.magnitude);
}

Cost cost_pointwise(const OpInstance& op) {
  double instructions = 0;
  for (const ExprNode& n : op.attrs.expr("expr").nodes()) {
    instructions += n.op != ScalarOp::Input && n.op != ScalarOp::Literal;
  }
  return {.flops = instructions * static_cast<double>(op.out[0].shape.elements())};
}

}  // namespace

const OpDef& op_pointwise() {
  static constexpr AttrDef attrs[] = {
      {"expr", AttrKind::Expr, "", "what one element is: \"(a:f32, b:f32) -> add(a, b)\""}};
  static constexpr OpDef def{
      .name = "Pointwise",
      .doc =
          "y[i] = expr(x0[i], x1[i], ...) with NumPy broadcasting; every result has the "
          "broadcast shape. All of ONNX's elementwise operators.",
      .operands = "x...",
      .results = "y...",
      .attrs = attrs,
      .tolerance = {.k = 8, .why = "a vector exp or erf may be off by 4 units in the last place"},
      .infer = infer_pointwise,
      .reference = reference_pointwise,
      .cost = cost_pointwise,
  };
  return def;
}

}  // namespace lathe
