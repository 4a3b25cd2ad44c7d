// SPDX-License-Identifier: Apache-2.0
// pointwise: an expression over tensors of any layout, slice and broadcast, a block at a time in
// the first-level cache.
#include <algorithm>
#include <array>

#include "backends/cpu/simd/expr_kernel.h"
#include "backends/cpu/simd/nest.h"

namespace lathe::cpu {
namespace {

constexpr size_t kMaxTensors = 96;

const Expr& expression(const OpInstance& op) { return op.attrs.expr("expr"); }

bool blocked(const OpInstance& op) { return op.out[0].layout == Layout::Blocked16; }

double cost_of_element(const Expr& expr) {
  double cost = 1;
  for (const ExprNode& n : expr.nodes()) {
    const bool cheap = n.op <= ScalarOp::CastSaturate || arity(n.op) != 1 ||
                       n.op == ScalarOp::Neg || n.op == ScalarOp::Abs || n.op == ScalarOp::Not;
    cost += n.op <= ScalarOp::Literal ? 0 : cheap ? 0.5 : 3;
  }
  return cost;
}

class PreparedPointwise : public Prepared {
 public:
  explicit PreparedPointwise(const OpInstance& op)
      : kernel_(expression(op)),
        inputs_(op.in.size()),
        grain_(grain(cost_of_element(expression(op)))) {
    const bool in_blocks = blocked(op);
    const Shape& shape = op.out[0].shape;
    std::vector<std::vector<int64_t>> strides;
    // Outputs first: their order of memory decides.
    for (size_t k = 0; k < op.out.size(); ++k) {
      strides.push_back(loop_strides(op.out[k], own_strides(op, k, true), shape, in_blocks));
      bytes_.push_back(bits(op.out[k].dtype) / 8);
    }
    for (size_t k = 0; k < op.in.size(); ++k) {
      strides.push_back(loop_strides(op.in[k], own_strides(op, k, false), shape, in_blocks));
      bytes_.push_back(bits(op.in[k].dtype) / 8);
    }
    nest_ = make_nest(loop_sizes(shape, in_blocks), std::move(strides));
  }

  Status launch(const Buffers& at, Stream&) const override {
    const int64_t rows = nest_.elements() / std::max<int64_t>(nest_.inner(), 1);
    if (rows >= 4 * thread_count() || nest_.inner() < 2 * grain_) {
      const int64_t least = std::max<int64_t>(1, grain_ / std::max<int64_t>(nest_.inner(), 1));
      parallel_for(rows, least, [&](int64_t b, int64_t e) { run(at, b, e, 0, nest_.inner()); });
    } else {
      parallel_for(nest_.inner(), grain_, [&](int64_t b, int64_t e) { run(at, 0, rows, b, e); });
    }
    return {};
  }

 private:
  static std::vector<int64_t> own_strides(const OpInstance& op, size_t k, bool result) {
    const TensorType& type = result ? op.out[k] : op.in[k];
    if (type.layout == Layout::Blocked16) return {};
    return result ? result_strides(op, static_cast<int>(k))
                  : operand_strides(op, static_cast<int>(k));
  }

  // Columns [c0, c1) of rows [r0, r1), counted over all planes.
  void run(const Buffers& at, int64_t r0, int64_t r1, int64_t c0, int64_t c1) const {
    const Planes planes(nest_);
    const size_t tensors = bytes_.size(), outs = tensors - inputs_;
    std::array<int64_t, kMaxTensors> offset;
    std::array<Rows, kMaxTensors> rows;
    const size_t rank = nest_.sizes.size();
    for (int64_t p = r0 / planes.rows; p * planes.rows < r1; ++p) {
      const int64_t first = std::max(r0 - p * planes.rows, int64_t{0});
      const int64_t last = std::min(r1 - p * planes.rows, planes.rows);
      planes.offsets(p, {offset.data(), tensors});
      for (size_t k = 0; k < tensors; ++k) {
        const int64_t row = rank > 1 ? nest_.strides[k][rank - 2] : 0;
        const int64_t step = nest_.strides[k][rank - 1];
        auto* base = static_cast<std::byte*>(k < outs ? at.out[k] : at.in[k - outs]);
        rows[k] = {base + (offset[k] + first * row + c0 * step) * bytes_[k], step, row};
      }
      kernel_.run({rows.data() + outs, inputs_}, {rows.data(), outs}, last - first, c1 - c0);
    }
  }

  ExprKernel kernel_;
  size_t inputs_;
  int64_t grain_;
  std::vector<int64_t> bytes_;  // of an element; outputs, then inputs, as in nest_
  Nest nest_;
};

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (op.in.size() + op.out.size() > kMaxTensors) return Support::no("too many tensors");
  if (!op.fusion.empty()) return Support::no("expressions belong into the operator's own");
  const bool in_blocks = blocked(op);
  if (in_blocks && op.out[0].shape[1].value() % 16 != 0) {
    return Support::no("the padding of the last block of channels must stay 0");
  }
  for (const TensorType& t : op.out) {
    if (t.layout != op.out[0].layout) return Support::no("results in different layouts");
  }
  if (in_blocks && op.fusion.sliced()) return Support::no("slices of blocks of channels");
  for (const TensorType& t : op.in) {
    const bool is_blocked = t.layout == Layout::Blocked16;
    if (is_blocked &&
        (!in_blocks || t.shape.rank() != op.out[0].rank() || t.shape[1] != op.out[0].shape[1])) {
      return Support::no("blocks of channels on one side only");
    }
  }
  for (DType t : expression(op).inputs()) {
    if (!is_computable(t)) return Support::no("types without arithmetic");
  }
  return Support::yes();
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  return std::unique_ptr<Prepared>(std::make_unique<PreparedPointwise>(context.op));
}

// Element by element: the same place in memory is read before it is written.
bool may_alias(const OpInstance& op, int in, int out) {
  const TensorType& x = op.in[static_cast<size_t>(in)];
  const TensorType& y = op.out[static_cast<size_t>(out)];
  if (x.shape != y.shape || x.layout != y.layout || bits(x.dtype) != bits(y.dtype)) return false;
  if (op.fusion.sliced()) return false;
  // A result that repeats an operand is written last and would find it changed.
  const Expr& e = expression(op);
  return op.out.size() == 1 || std::none_of(e.outputs().begin(), e.outputs().end(), [&](int32_t o) {
           return e.nodes()[static_cast<size_t>(o)].op == ScalarOp::Input;
         });
}

}  // namespace

const Tactic& pointwise() {
  static constexpr Tactic tactic{
      .name = "pointwise",
      .op = "Pointwise",
      .doc = "Any expression over any layouts, blocks of it in the first-level cache, vectorised.",
      .supports = supports,
      .load = load,
      .may_alias = may_alias,
      .version = 2,
      .any_layout = true,
  };
  return tactic;
}

}  // namespace lathe::cpu
