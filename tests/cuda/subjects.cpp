// SPDX-License-Identifier: Apache-2.0
#include "subjects.h"

#include <cstdio>
#include <cstdlib>
#include <optional>

#include "ops/cases.h"
#include "tuner/test_data.h"

namespace lathe {
namespace {

bool is_channels_op(const OpInstance& op) {
  return op.def->is("Conv") || op.def->is("Deconv") || op.def->is("Pool") || op.def->is("Resize");
}

std::optional<OpInstance> channels_last(OpInstance op) {
  if (op.def->is("Reorder") || op.in.empty() || op.in[0].rank() < 3 || op.out[0].rank() < 3) {
    return std::nullopt;
  }
  const size_t moved = is_channels_op(op) ? 1 : op.in.size();
  for (size_t k = 0; k < moved; ++k) {
    if (op.in[k].rank() >= 3) op.in[k].layout = Layout::ChannelsLast;
  }
  for (TensorType& t : op.out) {
    if (t.rank() >= 3) t.layout = Layout::ChannelsLast;
  }
  for (size_t k = 1; k < op.in.size() && is_channels_op(op); ++k) {
    if (!op.in[k].absent()) op.constant_in |= uint64_t{1} << k;
  }
  return op;
}

// A fusion without expressions yet, and one extra operand that broadcasts along the last axis of
// `shape`.
void open_fusion(OpInstance& op, DType type, const Shape& shape) {
  op.fusion.anchor_operands = static_cast<int>(op.in.size());
  op.fusion.anchor_in = op.in;
  op.fusion.anchor_out = op.out;
  op.in.push_back({type, shape.rank() == 0 ? Shape{} : Shape{shape[shape.rank() - 1]}});
}

bool takes_expressions(const OpInstance& op) {
  return op.out.size() == 1 && is_computable(op.out[0].dtype) && !op.def->is("Pointwise") &&
         (op.in.empty() || is_computable(op.in[0].dtype));
}

// y * b + y, or of bool y and b; and where operand 0 is as y, a second output of it.
std::optional<OpInstance> with_epilogue(OpInstance op) {
  if (!takes_expressions(op) || op.in.empty()) return std::nullopt;
  const DType t = op.out[0].dtype;
  open_fusion(op, t, op.out[0].shape);
  Expr e({t, t, op.fusion.anchor_in[0].dtype});
  const int y = e.input(0), b = e.input(1);
  e.output(t == DType::Bool ? e.call(ScalarOp::And, {y, b})
                            : e.call(ScalarOp::Add, {e.call(ScalarOp::Mul, {y, b}), y}));
  if (op.def->is("Normalize") || op.def->is("Softmax")) {
    e.output(e.call(ScalarOp::Neg, {e.input(2)}));
    op.out.push_back(op.out[0]);
  }
  op.fusion.epilogue = std::move(e);
  return op;
}

// relu(y + r), r being as y: what libraries fuse.
std::optional<OpInstance> with_residual(OpInstance op) {
  const bool product = op.def->is("Conv") || op.def->is("MatMul");
  if (!product || !is_float(op.out[0].dtype)) return std::nullopt;
  const DType t = op.out[0].dtype;
  open_fusion(op, t, op.out[0].shape);
  op.in.back() = op.out[0];
  Expr e({t, t, op.fusion.anchor_in[0].dtype});
  const int sum = e.call(ScalarOp::Add, {e.input(0), e.input(1)});
  e.output(e.call(ScalarOp::Max, {sum, e.literal(t, 0)}));
  op.fusion.epilogue = std::move(e);
  return op;
}

std::optional<OpInstance> with_prologue(OpInstance op) {
  const bool reads = op.def->is("Normalize") || op.def->is("Softmax") || op.def->is("Reduce");
  if (!reads || op.in[0].dtype == DType::Bool) return std::nullopt;
  const DType t = op.in[0].dtype;
  open_fusion(op, t, op.in[0].shape);
  Expr e({t, t});
  e.output(e.call(ScalarOp::Add, {e.input(0), e.input(1)}));
  op.fusion.prologue = {std::move(e)};
  return op;
}

std::optional<OpInstance> with_slices(OpInstance op) {
  if (op.in.empty() || op.in[0].rank() == 0 || op.out[0].rank() == 0 || bits(op.in[0].dtype) < 8 ||
      bits(op.out[0].dtype) < 8 || op.def->flags & kView) {
    return std::nullopt;
  }
  const int in_axis = op.in[0].rank() > 1 ? 1 : 0, out_axis = op.out[0].rank() > 1 ? 1 : 0;
  op.fusion.in_slice = {Slice{in_axis, Dim(2), op.in[0].shape[in_axis] + 5}};
  op.fusion.out_slice = {Slice{out_axis, Dim(3), op.out[0].shape[out_axis] + 4}};
  return op;
}

class Collector {
 public:
  void add(const Case& c, const char* how, std::optional<OpInstance> op,
           const std::vector<HostTensor>& inputs) {
    if (!op || !verify_instance(*op).ok()) return;
    if (number_++ % shards_ != shard_) return;
    Result<std::vector<HostTensor>> all = make_inputs(*op, inputs, 5);
    if (all.ok()) out_.push_back({c.where() + how, *std::move(op), *std::move(all)});
  }
  std::vector<CudaSubject> take() { return std::move(out_); }

  Collector() {
    const char* text = std::getenv("LATHE_SHARD");
    int shard = 0, shards = 1;
    if (text != nullptr && std::sscanf(text, "%d/%d", &shard, &shards) == 2 && shards > 0) {
      shard_ = static_cast<size_t>(shard);
      shards_ = static_cast<size_t>(shards);
    }
  }

 private:
  size_t number_ = 0, shard_ = 0, shards_ = 1;
  std::vector<CudaSubject> out_;
};

std::string cases_folder() {
  const char* folder = std::getenv("LATHE_CASES");
  return folder != nullptr ? folder : LATHE_SOURCE_DIR "/src/ops";
}

}  // namespace

std::vector<CudaSubject> subjects() {
  Collector all;
  for (const OpDef* def : all_ops()) {
    Result<std::vector<Case>> cases = load_cases(*def, cases_folder());
    if (!cases.ok()) continue;
    for (const Case& c : *cases) {
      if (!c.error.empty() || !c.regions.empty()) continue;  // no tactic runs graphs
      Result<OpInstance> op = instance_of(c);
      if (!op.ok()) continue;
      Result<std::vector<HostTensor>> inputs = inputs_of(c, *op);
      if (!inputs.ok()) continue;
      all.add(c, "", *op, *inputs);
      all.add(c, " in NHWC", channels_last(*op), *inputs);
      all.add(c, " with an epilogue", with_epilogue(*op), *inputs);
      all.add(c, " with a prologue", with_prologue(*op), *inputs);
      all.add(c, " with a residual", with_residual(*op), *inputs);
      all.add(c, " with slices", with_slices(*op), *inputs);
      if (auto nhwc = channels_last(*op)) {
        all.add(c, " in NHWC with an epilogue", with_epilogue(*nhwc), *inputs);
        all.add(c, " in NHWC with a residual", with_residual(*nhwc), *inputs);
        all.add(c, " in NHWC with slices", with_slices(*nhwc), *inputs);
      }
    }
  }
  return all.take();
}

}  // namespace lathe
