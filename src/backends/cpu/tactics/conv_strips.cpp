// SPDX-License-Identifier: Apache-2.0
// conv_strips: a convolution in NHWC by strips of output rows. A thread computes a strip by oneDNN
// and then, while it is in cache, the epilogue by our expression kernels. So any expression fuses,
// around 1x1, 3x3 and depthwise alike, and the result may go into a slice of channels, where
// oneDNN alone has no fast kernel, or come from one; and what a prologue makes of the input never
// leaves the cache.
#include <algorithm>
#include <mutex>

#include "backends/cpu/dnnl/conv_problem.h"
#include "backends/cpu/dnnl/strip_conv.h"
#include "backends/cpu/simd/image_epilogue.h"
#include "base/math.h"
#include "base/parallel.h"

namespace lathe::cpu {
namespace {

constexpr int kRank = 4;

struct Geometry {
  ConvSpec conv;  // of the whole, without post-operations
  int64_t images, channels, height, width, out_channels, out_height, out_width;
  bool has_prologue = false, has_epilogue = false;
  bool copies_input = false;  // rows are made dense first: by the prologue, or of a slice
  bool in_place = false;      // the convolution writes into the result, the epilogue over it
};

Geometry geometry_of(const OpInstance& op, const ConvSpec& conv) {
  Geometry g;
  g.conv = conv;
  const std::vector<int64_t> x = op.in[0].shape.sizes(), y = op.out[0].shape.sizes();
  g.images = x[0];
  g.channels = x[1];
  g.height = x[2];
  g.width = x[3];
  g.out_channels = y[1];
  g.out_height = y[2];
  g.out_width = y[3];
  g.has_prologue = !op.fusion.prologue.empty() && !op.fusion.prologue[0].empty() &&
                   !op.fusion.prologue[0].is_identity();
  g.copies_input = g.has_prologue || is_sliced(op, 0);
  g.has_epilogue = !op.fusion.epilogue.empty();
  g.in_place = op.out.size() == 1 && op.out[0].dtype == DType::F32 && !is_result_sliced(op, 0);
  return g;
}

// oneDNN's problem for a strip: the input's rows as they lie in memory, or a dense copy of them.
ConvSpec spec_of(const Geometry& g, const Strip& s) {
  ConvSpec c = strip_spec(g.conv, s, g.copies_input, !g.in_place);
  c.dst.dtype = DType::F32;  // what the epilogue reads
  return c;
}

std::vector<int64_t> row_choices(const Geometry& g, int threads) {
  const int64_t row_bytes = g.out_width * g.out_channels * 4;
  std::vector<int64_t> rows;
  for (int64_t bytes : {128 << 10, 384 << 10, 32 << 10}) {
    const int64_t r = strip_rows(g.conv, row_bytes, bytes, threads);
    if (std::find(rows.begin(), rows.end(), r) == rows.end()) rows.push_back(r);
  }
  return rows;
}

// The convolution alone: no post-operations, and no prologue of operand 0.
OnednnProblem bare_problem(const OpInstance& op) {
  OpInstance bare = op;
  bare.fusion.epilogue = Expr();
  if (!bare.fusion.prologue.empty()) bare.fusion.prologue[0] = Expr();
  if (!op.fusion.empty()) {
    bare.out = op.fusion.anchor_out;
    bare.out[0].layout = op.out[0].layout;
    bare.in.resize(static_cast<size_t>(op.fusion.anchor_operands));
    bare.in[0].dtype = op.fusion.anchor_in[0].dtype;
  }
  OnednnProblem problem = conv_problem(bare);
  if (problem.ok()) std::get<ConvSpec>(problem.spec).weights.dtype = anchor_in(op)[1].dtype;
  return problem;
}

class PreparedStrips : public Prepared {
 public:
  PreparedStrips(const OpInstance& op, Geometry g, int64_t rows)
      : g_(std::move(g)), rows_(rows), slots_(thread_count()) {
    const Fusion& f = op.fusion;
    runs_epilogue_ = g_.has_epilogue || !g_.in_place;
    if (runs_epilogue_) epilogue_ = ImageEpilogue(op, g_.in_place);
    own_ = f.empty() ? static_cast<int>(op.in.size()) : f.anchor_operands;
    for (size_t k = 0; k < op.in.size(); ++k) {
      const bool plain = !op.in[k].absent() && (k == 0 || static_cast<int>(k) >= own_);
      in_.push_back(plain ? image_plane(op.in[k], operand_strides(op, static_cast<int>(k)))
                          : ImagePlane());
    }
    if (g_.copies_input) {
      plan_prologue(g_.has_prologue ? f.prologue[0] : Expr::identity(op.in[0].dtype));
    }
    out_ = image_plane(op.out[0], result_strides(op, 0));
    has_bias_ = has_operand(op, 2);
    MemorySpec plain = g_.conv.weights;
    plain.dtype = op.in[1].dtype;
    primitives_ = StripPrimitives(1, std::move(plain));
    src_bytes_ = bits(anchor_in(op)[0].dtype) / 8;
    for (int64_t n = 0; n < g_.images; ++n) {
      for (int64_t o = 0; o < g_.out_height; o += rows_) {
        strips_.push_back(strip_of(g_.conv, n, o, std::min(rows_, g_.out_height - o)));
      }
    }
  }

  Status prepare(const LoadContext& context) {
    for (const Strip& s : strips_) LATHE_TRY(primitives_.add(s, spec_of(g_, s), context));
    plain_constants &= ~uint64_t{2};
    packed_bytes = primitives_.packed_bytes();
    plan_workspace();
    return {};
  }

  Status launch(const Buffers& at, Stream&) const override {
    const auto count = static_cast<int64_t>(strips_.size());
    Status failed;
    std::mutex mutex;  // of a failure: nobody takes it else
    parallel_for(slots_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t slot = begin; slot < end; ++slot) {
        for (int64_t k = count * slot / slots_; k < count * (slot + 1) / slots_; ++k) {
          Status s = run(at, slot, strips_[static_cast<size_t>(k)]);
          if (s.ok()) continue;
          std::lock_guard lock(mutex);
          failed = std::move(s);
        }
      }
    });
    return failed;
  }

 private:
  void plan_prologue(const Expr& e) {
    prologue_ = ExprKernel(e);
    joins_prologue_ = true;
    for (size_t input = 0; input < e.inputs().size(); ++input) {
      if (!e.reads(static_cast<int>(input))) continue;
      const ImagePlane& p = in_[input == 0 ? 0 : static_cast<size_t>(own_) + input - 1];
      joins_prologue_ = joins_prologue_ && p.h == p.w * g_.width;
    }
  }

  void plan_workspace() {
    int64_t in_rows = 0;
    for (const Strip& s : strips_) in_rows = std::max(in_rows, s.in_rows);
    const int64_t src = g_.copies_input ? in_rows * g_.width * g_.channels * src_bytes_ : 0;
    const int64_t dst = g_.in_place ? 0 : rows_ * g_.out_width * g_.out_channels * 4;
    dst_at_ = round_up(src, 64);
    scratchpad_at_ = dst_at_ + round_up(dst, 64);
    slot_bytes_ =
        round_up(scratchpad_at_ + static_cast<int64_t>(primitives_.scratchpad_bytes()), 4096);
    workspace_bytes = static_cast<size_t>(slot_bytes_ * slots_);
  }

  Status run(const Buffers& at, int64_t slot, const Strip& s) const {
    auto* own = static_cast<std::byte*>(at.workspace) + slot * slot_bytes_;
    const Rows first = image_row(at.in[0], in_[0], s.image, s.in_first);
    const Rows result = image_row(at.out[0], out_, s.image, s.out_first);
    if (g_.copies_input) run_prologue(at, own, s);
    OnednnPrimitive::Args args;
    args.src = g_.copies_input ? own : first.data;
    args.bias = has_bias_ ? at.in[2] : nullptr;
    args.dst = g_.in_place ? result.data : own + dst_at_;
    args.scratchpad = own + scratchpad_at_;
    LATHE_TRY(primitives_.run(s, args));
    if (runs_epilogue_) epilogue_.run(at, own + dst_at_, s.image, s.out_first, s.out_rows);
    return {};
  }

  // In one call where the rows of every operand follow each other.
  void run_prologue(const Buffers& at, std::byte* into, const Strip& s) const {
    const ImagePlane dense = dense_image_plane(g_.channels, g_.width, src_bytes_);
    const int64_t together = joins_prologue_ ? std::max<int64_t>(s.in_rows, 1) : 1;
    for (int64_t h = 0; h < s.in_rows; h += together) {
      std::vector<Rows> in{image_row(at.in[0], in_[0], s.image, s.in_first + h)};
      for (size_t k = static_cast<size_t>(own_); k < in_.size(); ++k) {
        in.push_back(image_row(at.in[k], in_[k], s.image, s.in_first + h));
      }
      const Rows out = image_row(into, dense, 0, h);
      prologue_.run(in, {&out, 1}, together * g_.width, g_.channels);
    }
  }

  Geometry g_;
  int64_t rows_;
  int slots_;
  ExprKernel prologue_;
  ImageEpilogue epilogue_;
  std::vector<ImagePlane> in_;
  ImagePlane out_;
  std::vector<Strip> strips_;
  StripPrimitives primitives_;
  int own_ = 0;
  bool has_bias_ = false, runs_epilogue_ = false, joins_prologue_ = false;
  int64_t src_bytes_ = 4, dst_at_ = 0, scratchpad_at_ = 0, slot_bytes_ = 0;
};

// Whether the expression reads the convolution's input after a prologue, which is not kept.
bool reads_prologue(const OpInstance& op, const Geometry& g) {
  const Expr& e = op.fusion.epilogue;
  const int last = static_cast<int>(op.in.size()) - op.fusion.anchor_operands + 1;
  return g.has_prologue && static_cast<int>(e.inputs().size()) > last && e.reads(last);
}

Support refuse_form(const OpInstance& op) {
  if (op.in[0].rank() != kRank) return Support::no("only two spatial dimensions");
  if (op.fusion.empty() && !op.fusion.sliced()) return Support::no("nothing is fused");
  if (!op.is_constant(1)) return Support::no("the weights are no constant");
  for (const TensorType& t : op.out) {
    if (t.layout != Layout::ChannelsLast) return Support::no("a result is not NHWC");
  }
  if (op.in[0].layout != Layout::ChannelsLast) return Support::no("the input is not NHWC");
  for (const TensorType& t : op.in) {
    if (t.layout == Layout::Blocked16) return Support::no("an operand is blocked");
    if (!t.absent() && t.rank() > kRank) return Support::no("an operand has more dimensions");
  }
  return Support::yes();
}

Support supports(const OpInstance& op, const DeviceInfo& device) {
  if (Support s = refuse_form(op); !s) return s;
  const OnednnProblem problem = bare_problem(op);
  if (!problem.ok()) return Support::no(problem.why);
  const Geometry g = geometry_of(op, std::get<ConvSpec>(problem.spec));
  if (reads_prologue(op, g)) return Support::no("the epilogue reads what the prologue makes");
  const int64_t rows = row_choices(g, device.threads)[0];
  const int64_t middle = std::min(rows, g.out_height - rows);
  const Strip strip = strip_of(g.conv, 0, std::max<int64_t>(middle, 0), rows);
  if (strip.in_rows == 0) return Support::no("a strip lies in the padding whole");
  if (implementations(spec_of(g, strip), 1).empty()) {
    return Support::no("onednn offers only its reference for a strip");
  }
  return Support::yes();
}

std::vector<Config> configs(const OpInstance& op, const DeviceInfo& device) {
  const Geometry g = geometry_of(op, std::get<ConvSpec>(bare_problem(op).spec));
  std::vector<Config> list;
  for (int64_t rows : row_choices(g, device.threads)) list.push_back(fmt::format("rows={}", rows));
  return list;
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  const OnednnProblem problem = bare_problem(context.op);
  if (!problem.ok()) return unsupported("{}", problem.why);
  if (context.constants.size() < 2 || context.constants[1].empty()) {
    return unsupported("the weights are not given");
  }
  const Geometry g = geometry_of(context.op, std::get<ConvSpec>(problem.spec));
  int64_t rows = row_choices(g, thread_count())[0];
  constexpr std::string_view kRows = "rows=";
  if (context.config.starts_with(kRows)) {
    rows = std::atoll(context.config.c_str() + kRows.size());
  }
  rows = std::clamp<int64_t>(rows, 1, g.out_height);
  auto prepared = std::make_unique<PreparedStrips>(context.op, g, rows);
  LATHE_TRY(prepared->prepare(context));
  return std::unique_ptr<Prepared>(std::move(prepared));
}

}  // namespace

const Tactic& conv_strips() {
  static constexpr Tactic tactic{
      .name = "conv_strips",
      .op = "Conv",
      .doc = "Strips of output rows by oneDNN, each with its epilogue while in cache; NHWC.",
      .supports = supports,
      .configs = configs,
      .load = load,
  };
  return tactic;
}

}  // namespace lathe::cpu
