// SPDX-License-Identifier: Apache-2.0
// expand_depthwise: the expansion and the depthwise convolution of an inverted residual by strips
// of output rows. What a strip's windows read of the expanded rows is made just before, in cache;
// rows that the next strip reads again stay. Both convolutions are oneDNN's, activations its
// post-operations where it has them and our expression kernels otherwise.
#include <algorithm>
#include <cstring>
#include <mutex>

#include "backends/cpu/dnnl/conv_problem.h"
#include "backends/cpu/dnnl/strip_conv.h"
#include "backends/cpu/simd/image_epilogue.h"
#include "base/math.h"
#include "base/parallel.h"

namespace lathe::cpu {
namespace {

constexpr int kRank = 4, kOperands = 5;
enum Operand { kX, kExpand, kDepthwise, kExpandBias, kDepthwiseBias };

// A Conv in NHWC with an expression of its result, or none.
OnednnProblem conv_of(std::vector<TensorType> in, Attrs attrs, const Expr& epilogue) {
  if (in.back().absent()) in.pop_back();
  Result<Inferred> made = infer(*find_op("Conv"), std::move(in), std::move(attrs));
  if (!made.ok()) return {{}, made.status().message()};
  OpInstance conv = std::move(made->op);
  conv.out[0].layout = Layout::ChannelsLast;
  conv.constant_in = 1u << 1;
  if (!epilogue.empty()) {
    conv.fusion.anchor_operands = static_cast<int>(conv.in.size());
    conv.fusion.anchor_in = conv.in;
    conv.fusion.anchor_out = conv.out;
    const DType type = conv.in[0].dtype;
    conv.fusion.epilogue = epilogue.with_inputs(std::vector<int>{0}, {type, type});
  }
  return conv_problem(conv);
}

// The expression of input 0 alone with which oneDNN could end the depthwise convolution.
Expr epilogue_of_one(const OpInstance& op) {
  const Expr& e = op.fusion.epilogue;
  const bool alone = !e.empty() && e.outputs().size() == 1 && op.in.size() == kOperands &&
                     e.output_type(0) == op.in[kX].dtype;
  if (!alone) return {};
  return e.with_inputs(std::vector<int>{0, 0}, {op.in[kX].dtype});
}

struct Geometry {
  std::string why;                               // not empty: no such instance
  ConvSpec first, second;                        // of the whole pictures, with what oneDNN applies
  bool first_ends = false, second_ends = false;  // expressions are post-operations
  bool in_place = false;  // the depthwise results go to their places, f32, before the epilogue
  int64_t bytes = 4;      // of an element of x, and of what lies between
  int64_t channels, width, out_width;

  int64_t row_bytes() const { return width * channels * bytes; }
  int64_t raw_row_bytes() const { return first_ends || bytes == 4 ? 0 : width * channels * 4; }
  int64_t out_row_bytes() const { return second_ends || in_place ? 0 : out_width * channels * 4; }
};

// With the expression as post-operations where oneDNN has them, else without.
OnednnProblem ended(const std::vector<TensorType>& in, const Attrs& attrs, const Expr& epilogue,
                    bool& ends) {
  OnednnProblem whole = conv_of(in, attrs, epilogue);
  ends = whole.ok();
  return ends ? whole : conv_of(in, attrs, Expr());
}

Geometry geometry_of(const OpInstance& op) {
  Geometry g;
  std::vector<TensorType> in = op.in;
  in.resize(kOperands);
  g.channels = in[kExpand].shape[0].value();
  TensorType between = in[kX];
  between.shape[1] = in[kExpand].shape[0];
  Attrs expand, depthwise;
  expand.set("strides", Ints{1, 1}).set("dilations", Ints{1, 1}).set("pads", Ints{0, 0, 0, 0});
  depthwise.set("strides", op.attrs.ints("strides"))
      .set("dilations", op.attrs.ints("dilations"))
      .set("pads", op.attrs.ints("pads"))
      .set("group", g.channels);
  const OnednnProblem first =
      ended({in[kX], in[kExpand], in[kExpandBias]}, expand, op.attrs.expr("expr"), g.first_ends);
  // oneDNN ends it only whole, and where it belongs.
  const bool sliced = is_result_sliced(op, 0);
  const Expr last = sliced ? Expr() : epilogue_of_one(op);
  const bool may_end = !sliced && op.fusion.epilogue.empty() == last.empty();
  const OnednnProblem second =
      ended({between, in[kDepthwise], in[kDepthwiseBias]}, depthwise, last, g.second_ends);
  g.why = first.ok() ? second.why : first.why;
  if (!g.why.empty()) return g;
  g.first = std::get<ConvSpec>(first.spec);
  g.second = std::get<ConvSpec>(second.spec);
  g.second_ends = g.second_ends && may_end;
  g.bytes = bits(in[kX].dtype) / 8;
  g.width = in[kX].shape[3].value();
  g.out_width = op.out[0].shape[3].value();
  g.in_place = !g.second_ends && op.out.size() == 1 && op.out[0].dtype == DType::F32 && !sliced;
  return g;
}

// Rows [first, first + rows) of an image, all of them made of the same rows of x.
Strip expansion(int64_t image, int64_t first, int64_t rows) {
  return {image, first, rows, first, rows, 0, 0};
}
ConvSpec first_spec(const Geometry& g, const Strip& s) {
  ConvSpec c = strip_spec(g.first, s, false, true);
  if (!g.first_ends) c.dst.dtype = DType::F32;
  return c;
}
ConvSpec second_spec(const Geometry& g, const Strip& s) {
  ConvSpec c = strip_spec(g.second, s, true, !g.second_ends && !g.in_place);
  if (!g.second_ends) c.dst.dtype = DType::F32;
  return c;
}

std::vector<int64_t> row_choices(const Geometry& g, int threads) {
  const int64_t stride = g.second.strides[0];
  const int64_t row = stride * (g.row_bytes() + g.raw_row_bytes()) + g.out_row_bytes();
  const int64_t overlap = (g.second.weights.dims[3] - 1) * g.second.dilations[0] * g.row_bytes();
  std::vector<int64_t> rows;
  for (int64_t bytes : {256 << 10, 640 << 10, 96 << 10}) {
    const int64_t r = strip_rows(g.second, row, bytes - overlap, threads);
    if (std::find(rows.begin(), rows.end(), r) == rows.end()) rows.push_back(r);
  }
  return rows;
}

class PreparedExpandDepthwise : public Prepared {
 public:
  PreparedExpandDepthwise(const OpInstance& op, Geometry g, int64_t rows)
      : g_(std::move(g)), rows_(rows), slots_(thread_count()) {
    const DType wide[] = {DType::F32};
    if (!g_.first_ends) between_ = ExprKernel(op.attrs.expr("expr"), wide);
    if (!g_.second_ends) epilogue_ = ImageEpilogue(op, g_.in_place);
    x_ = image_plane(op.in[kX], operand_strides(op, kX));
    out_ = image_plane(op.out[0], result_strides(op, 0));
    has_bias_[0] = has_operand(op, kExpandBias);
    has_bias_[1] = has_operand(op, kDepthwiseBias);
    first_ = StripPrimitives(kExpand, plain(g_.first, op.in[kExpand]));
    second_ = StripPrimitives(kDepthwise, plain(g_.second, op.in[kDepthwise]));
    const int64_t height = g_.second.dst.dims[2];
    for (int64_t n = 0; n < g_.second.dst.dims[0]; ++n) {
      for (int64_t o = 0; o < height; o += rows_) {
        strips_.push_back(strip_of(g_.second, n, o, std::min(rows_, height - o)));
      }
    }
  }

  Status prepare(const LoadContext& context) {
    for (const Strip& s : strips_) {
      LATHE_TRY(second_.add(s, second_spec(g_, s), context));
      in_rows_ = std::max(in_rows_, s.in_rows);
    }
    for (int64_t slot = 0; slot < slots_; ++slot) {
      Held held;
      for (const Strip& s : of_slot(slot)) {
        const Strip made = held.missing(s);
        if (made.out_rows > 0) LATHE_TRY(first_.add(made, first_spec(g_, made), context));
        raw_rows_ = std::max(raw_rows_, made.out_rows);
      }
    }
    plain_constants &= ~(uint64_t{1} << kExpand | uint64_t{1} << kDepthwise);
    packed_bytes = first_.packed_bytes() + second_.packed_bytes();
    plan_workspace();
    return {};
  }

  Status launch(const Buffers& at, Stream&) const override {
    Status failed;
    std::mutex mutex;  // of a failure: nobody takes it else
    parallel_for(slots_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t slot = begin; slot < end; ++slot) {
        Held held;
        for (const Strip& s : of_slot(slot)) {
          Status status = run(at, slot, s, held);
          if (status.ok()) continue;
          std::lock_guard lock(mutex);
          failed = std::move(status);
        }
      }
    });
    return failed;
  }

 private:
  // The expanded rows that a slot has: [first, end) of one image, at the beginning of its buffer.
  struct Held {
    int64_t image = -1, first = 0, end = 0;

    // What strip `s` reads and the slot lacks; from now on the slot holds what `s` reads.
    Strip missing(const Strip& s) {
      const int64_t in_end = s.in_first + s.in_rows;
      const bool overlaps = image == s.image && first <= s.in_first && s.in_first < end;
      const int64_t from = overlaps ? std::min(end, in_end) : s.in_first;
      *this = {s.image, s.in_first, std::max(in_end, from)};
      return expansion(s.image, from, in_end - from);
    }
  };

  static MemorySpec plain(const ConvSpec& spec, const TensorType& weights) {
    MemorySpec m = spec.weights;
    m.dtype = weights.dtype;
    return m;
  }

  std::span<const Strip> of_slot(int64_t slot) const {
    const auto count = static_cast<int64_t>(strips_.size());
    const int64_t begin = count * slot / slots_, end = count * (slot + 1) / slots_;
    return std::span(strips_).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  }

  void plan_workspace() {
    const size_t scratchpad = std::max(first_.scratchpad_bytes(), second_.scratchpad_bytes());
    raw_at_ = round_up(in_rows_ * g_.row_bytes(), 64);
    out_at_ = raw_at_ + round_up(raw_rows_ * g_.raw_row_bytes(), 64);
    scratchpad_at_ = out_at_ + round_up(rows_ * g_.out_row_bytes(), 64);
    slot_bytes_ = round_up(scratchpad_at_ + static_cast<int64_t>(scratchpad), 4096);
    workspace_bytes = static_cast<size_t>(slot_bytes_ * slots_);
  }

  Status run(const Buffers& at, int64_t slot, const Strip& s, Held& held) const {
    auto* own = static_cast<std::byte*>(at.workspace) + slot * slot_bytes_;
    const int64_t shift = s.in_first - held.first;
    const Strip made = held.missing(s);
    const int64_t kept = made.in_first - s.in_first;
    if (kept > 0 && shift > 0) {
      std::memmove(own, own + shift * g_.row_bytes(), static_cast<size_t>(kept * g_.row_bytes()));
    }
    if (made.out_rows > 0) LATHE_TRY(expand(at, own, made, own + kept * g_.row_bytes()));
    OnednnPrimitive::Args args;
    args.src = own;
    args.bias = has_bias_[1] ? at.in[kDepthwiseBias] : nullptr;
    args.dst = g_.second_ends || g_.in_place ? image_row(at.out[0], out_, s.image, s.out_first).data
                                             : own + out_at_;
    args.scratchpad = own + scratchpad_at_;
    LATHE_TRY(second_.run(s, args));
    if (!g_.second_ends) epilogue_.run(at, own + out_at_, s.image, s.out_first, s.out_rows);
    return {};
  }

  Status expand(const Buffers& at, std::byte* own, const Strip& made, std::byte* into) const {
    std::byte* raw = g_.raw_row_bytes() > 0 ? own + raw_at_ : into;
    OnednnPrimitive::Args args;
    args.src = image_row(at.in[kX], x_, made.image, made.in_first).data;
    args.bias = has_bias_[0] ? at.in[kExpandBias] : nullptr;
    args.dst = raw;
    args.scratchpad = own + scratchpad_at_;
    LATHE_TRY(first_.run(made, args));
    if (g_.first_ends) return {};
    const Rows from{raw, 1, 0}, to{into, 1, 0};
    between_.run({&from, 1}, {&to, 1}, 1, made.out_rows * g_.width * g_.channels);
    return {};
  }

  Geometry g_;
  int64_t rows_;
  int slots_;
  ExprKernel between_;
  ImageEpilogue epilogue_;
  ImagePlane x_, out_;
  std::vector<Strip> strips_;
  StripPrimitives first_, second_;
  bool has_bias_[2] = {};
  int64_t in_rows_ = 0, raw_rows_ = 0;  // the most that a strip reads, and that it makes
  int64_t raw_at_ = 0, out_at_ = 0, scratchpad_at_ = 0, slot_bytes_ = 0;
};

Support refuse_form(const OpInstance& op) {
  if (op.in[kX].rank() != kRank) return Support::no("only two spatial dimensions");
  if (!op.is_constant(kExpand) || !op.is_constant(kDepthwise)) {
    return Support::no("the weights are no constants");
  }
  if (!op.fusion.prologue.empty()) return Support::no("no expressions in front");
  if (is_sliced(op, kX)) return Support::no("the input is a part of another tensor");
  for (const TensorType& t : op.out) {
    if (t.layout != Layout::ChannelsLast) return Support::no("a result is not NHWC");
  }
  if (op.in[kX].layout != Layout::ChannelsLast) return Support::no("the input is not NHWC");
  for (size_t k = kOperands; k < op.in.size(); ++k) {
    if (op.in[k].layout == Layout::Blocked16) return Support::no("an operand is blocked");
    if (op.in[k].rank() > kRank) return Support::no("an operand has more dimensions");
  }
  if (op.fusion.epilogue_reads_operand()) return Support::no("the epilogue reads the input");
  return Support::yes();
}

Support supports(const OpInstance& op, const DeviceInfo& device) {
  if (Support s = refuse_form(op); !s) return s;
  const Geometry g = geometry_of(op);
  if (!g.why.empty()) return Support::no(g.why);
  const int64_t rows = row_choices(g, device.threads)[0], height = g.second.dst.dims[2];
  const Strip strip = strip_of(g.second, 0, std::clamp<int64_t>(height - rows, 0, rows), rows);
  if (strip.in_rows == 0) return Support::no("a strip lies in the padding whole");
  const Strip made = expansion(0, strip.in_first, strip.in_rows);
  if (implementations(first_spec(g, made), 1).empty() ||
      implementations(second_spec(g, strip), 1).empty()) {
    return Support::no("onednn offers only its reference for a strip");
  }
  return Support::yes();
}

std::vector<Config> configs(const OpInstance& op, const DeviceInfo& device) {
  std::vector<Config> list;
  for (int64_t r : row_choices(geometry_of(op), device.threads)) {
    list.push_back(fmt::format("rows={}", r));
  }
  return list;
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  const Geometry g = geometry_of(context.op);
  if (!g.why.empty()) return unsupported("{}", g.why);
  const auto& constants = context.constants;
  if (constants.size() <= kDepthwise || constants[kExpand].empty() ||
      constants[kDepthwise].empty()) {
    return unsupported("the weights are not given");
  }
  int64_t rows = row_choices(g, thread_count())[0];
  constexpr std::string_view kRows = "rows=";
  if (context.config.starts_with(kRows)) rows = std::atoll(context.config.c_str() + kRows.size());
  rows = std::clamp<int64_t>(rows, 1, g.second.dst.dims[2]);
  auto prepared = std::make_unique<PreparedExpandDepthwise>(context.op, g, rows);
  LATHE_TRY(prepared->prepare(context));
  return std::unique_ptr<Prepared>(std::move(prepared));
}

}  // namespace

const Tactic& expand_depthwise() {
  static constexpr Tactic tactic{
      .name = "expand_depthwise",
      .op = "ExpandDepthwise",
      .doc = "Both convolutions strip by strip, what lies between them in cache; NHWC.",
      .supports = supports,
      .configs = configs,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
