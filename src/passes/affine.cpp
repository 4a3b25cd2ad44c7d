// SPDX-License-Identifier: Apache-2.0
#include "passes/affine.h"

#include <algorithm>
#include <cmath>

#include "passes/match.h"

namespace lathe {
namespace {

using Channels = std::vector<double>;

// scale * x + shift; no scale: a constant.
struct Line {
  bool varies = false;
  Channels scale, shift;
};

template <class F>
Channels each(const Channels& a, const Channels& b, F f) {
  Channels out(a.size());
  for (size_t c = 0; c < a.size(); ++c) out[c] = f(a[c], b[c]);
  return out;
}

std::optional<Line> combine(ScalarOp op, const Line& a, const Line& b) {
  const auto plus = [](double x, double y) { return x + y; };
  const auto minus = [](double x, double y) { return x - y; };
  const auto times = [](double x, double y) { return x * y; };
  const auto over = [](double x, double y) { return x / y; };
  const bool varies = a.varies || b.varies;
  switch (op) {
    case ScalarOp::Add:
      return Line{varies, each(a.scale, b.scale, plus), each(a.shift, b.shift, plus)};
    case ScalarOp::Sub:
      return Line{varies, each(a.scale, b.scale, minus), each(a.shift, b.shift, minus)};
    case ScalarOp::Mul: {
      if (a.varies && b.varies) return {};
      const Line &line = a.varies ? a : b, &factor = a.varies ? b : a;
      return Line{varies, each(line.scale, factor.shift, times),
                  each(line.shift, factor.shift, times)};
    }
    case ScalarOp::Div:
      if (b.varies) return {};
      return Line{varies, each(a.scale, b.shift, over), each(a.shift, b.shift, over)};
    default: return {};
  }
}

bool finite(const Channels& values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

struct Evaluator {
  const Node& node;
  size_t variable;
  int axis;
  int64_t channels;
  std::vector<Line> lines;

  std::optional<Line> input(size_t k) const {
    const Channels zero(static_cast<size_t>(channels), 0);
    if (k == variable) return Line{true, Channels(zero.size(), 1), zero};
    auto values = along_axis(node.in(k), node.out()->type.rank(), axis, channels);
    if (!values) return {};
    return Line{false, zero, std::move(*values)};
  }
  std::optional<Line> line(const ExprNode& n) const {
    const Channels zero(static_cast<size_t>(channels), 0);
    const auto arg = [&](int k) -> const Line& { return lines[static_cast<size_t>(n.args[k])]; };
    if (n.op == ScalarOp::Input) return input(static_cast<size_t>(n.input));
    if (n.op == ScalarOp::Literal && is_float(n.dtype)) {
      return Line{false, zero, Channels(zero.size(), n.value)};
    }
    if (n.op == ScalarOp::Neg) return combine(ScalarOp::Sub, Line{false, zero, zero}, arg(0));
    return arity(n.op) == 2 ? combine(n.op, arg(0), arg(1)) : std::nullopt;
  }
};

}  // namespace

std::optional<Channels> along_axis(const Value* v, int rank, int axis, int64_t channels) {
  const HostTensor* t = v ? v->constant() : nullptr;
  if (!t || !is_float(t->dtype()) || !is_computable(t->dtype()) || t->shape().rank() > rank)
    return {};
  const Shape shape = padded_to(t->shape(), rank);
  for (int d = 0; d < rank; ++d) {
    if (!shape[d].is(1) && !(d == axis && shape[d].is(channels))) return {};
  }
  Channels values = t->to_f64();
  if (values.size() == 1) values.resize(static_cast<size_t>(channels), values[0]);
  return values;
}

std::optional<Affine> affine_of(const Node& node, size_t k, int axis, int64_t channels) {
  const Expr* expr = pointwise_expr(&node);
  if (!expr || node.in(k)->type != node.out()->type || channels <= 0) return {};
  for (size_t i = 0; i < node.operands.size(); ++i) {
    if (i != k && node.in(i) == node.in(k)) return {};
  }
  Evaluator eval{node, k, axis, channels, {}};
  for (const ExprNode& n : expr->nodes()) {
    std::optional<Line> line = eval.line(n);
    if (!line) return {};
    eval.lines.push_back(std::move(*line));
  }
  Line& root = eval.lines[static_cast<size_t>(expr->outputs()[0])];
  if (!root.varies || !finite(root.scale) || !finite(root.shift)) return {};
  return Affine{std::move(root.scale), std::move(root.shift)};
}

std::optional<HostTensor> rounded(DType type, const Shape& shape, std::span<const double> values) {
  Result<HostTensor> made = HostTensor::make({type, shape});
  if (!made.ok()) return {};
  HostTensor t = *std::move(made);
  for (size_t k = 0; k < values.size(); ++k) {
    t.set_f64(static_cast<int64_t>(k), values[k]);
    if (!std::isfinite(t.get_f64(static_cast<int64_t>(k)))) return {};
  }
  return t;
}

}  // namespace lathe
