// SPDX-License-Identifier: Apache-2.0
// winograd_nhwc: oneDNN's Winograd convolution for NHWC tensors. The library has it in nChw16c
// only, for AVX-512, until version 2; two copies of the activations cost far less than it saves on
// a 3x3 layer of some channels.
#include <algorithm>
#include <array>
#include <cstring>

#include "backends/cpu/dnnl/conv_problem.h"
#include "backends/cpu/simd/image_epilogue.h"
#include "base/math.h"
#include "base/parallel.h"

namespace lathe::cpu {
namespace {

constexpr int64_t kBlock = 16;
constexpr size_t kMaxOperands = 32;

// The convolution alone, input and result blocked and whole, as oneDNN computes it.
OpInstance blocked(const OpInstance& op) {
  OpInstance b = op;
  if (!op.fusion.empty()) {
    b.in = op.fusion.anchor_in;
    b.out = op.fusion.anchor_out;
  }
  b.fusion = {};
  b.in[0].layout = b.out[0].layout = Layout::Blocked16;
  return b;
}

// Images of pixels of channels, in NHWC and dense in blocks.
struct Activation {
  int64_t images = 0, pixels = 0, blocks = 0, width = 0;
  int64_t image_stride = 0, row_stride = 0, pixel_stride = 0;  // of the NHWC one, in elements

  int64_t bytes() const { return images * pixels * blocks * kBlock * 4; }

  // Image rows [begin, end), counted over all images.
  template <bool kToBlocks>
  void copy(float* nhwc, float* in_blocks, int64_t begin, int64_t end) const {
    for (int64_t at = begin * width; at < end * width; ++at) {
      const int64_t n = at / pixels, p = at % pixels;
      float* a = nhwc + n * image_stride + p / width * row_stride + p % width * pixel_stride;
      float* b = in_blocks + (n * blocks * pixels + p) * kBlock;
      for (int64_t k = 0; k < blocks; ++k, a += kBlock, b += pixels * kBlock) {
        kToBlocks ? std::memcpy(b, a, kBlock * 4) : std::memcpy(a, b, kBlock * 4);
      }
    }
  }
  int64_t rows() const { return images * pixels / width; }
  int64_t grain() const { return std::max<int64_t>(1, 8192 / (width * blocks * kBlock)); }
};

Activation activation_of(const TensorType& type, const std::vector<int64_t>& strides) {
  const std::vector<int64_t> sizes = type.shape.sizes();
  return {sizes[0],   sizes[2] * sizes[3], sizes[1] / kBlock, sizes[3],
          strides[0], strides[2],          strides[3]};
}

class PreparedWinograd : public Prepared {
 public:
  PreparedWinograd(std::unique_ptr<Prepared> conv, const OpInstance& op)
      : conv_(std::move(conv)),
        operands_(anchor_in(op).size()),
        x_(activation_of(op.in[0], operand_strides(op, 0))),
        y_(activation_of(op.out[0], result_strides(op, 0))) {
    has_epilogue_ = !op.fusion.epilogue.empty();
    if (has_epilogue_) epilogue_ = ImageEpilogue(op, true);
    y_at_ = round_up(x_.bytes(), 64);
    conv_at_ = y_at_ + round_up(y_.bytes(), 64);
    workspace_bytes = static_cast<size_t>(conv_at_) + conv_->workspace_bytes;
    packed_bytes = conv_->packed_bytes;
    plain_constants = conv_->plain_constants;
  }

  Status launch(const Buffers& at, Stream& stream) const override {
    auto* own = static_cast<std::byte*>(at.workspace);
    auto* x = reinterpret_cast<float*>(own);
    auto* y = reinterpret_cast<float*>(own + y_at_);
    std::array<void*, kMaxOperands> in{};
    std::copy_n(at.in.begin(), operands_, in.begin());
    parallel_for(x_.rows(), x_.grain(), [&](int64_t begin, int64_t end) {
      x_.copy<true>(static_cast<float*>(at.in[0]), x, begin, end);
    });
    in[0] = x;
    void* const out[] = {y};
    LATHE_TRY(conv_->launch({{in.data(), operands_}, out, own + conv_at_}, stream));
    parallel_for(y_.rows(), y_.grain(), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r += y_.grain()) {
        finish(at, y, r, std::min(end, r + y_.grain()));
      }
    });
    return {};
  }

 private:
  // Few rows at a time, so that the epilogue finds them in cache.
  void finish(const Buffers& at, float* y, int64_t begin, int64_t end) const {
    y_.copy<false>(static_cast<float*>(at.out[0]), y, begin, end);
    const int64_t height = y_.pixels / y_.width;
    for (int64_t r = begin; has_epilogue_ && r < end;) {
      const int64_t next = std::min(end, (r / height + 1) * height);
      epilogue_.run(at, nullptr, r / height, r % height, next - r);
      r = next;
    }
  }

  std::unique_ptr<Prepared> conv_;
  size_t operands_;
  Activation x_, y_;
  ImageEpilogue epilogue_;
  bool has_epilogue_ = false;
  int64_t y_at_ = 0, conv_at_ = 0;
};

Support refuse_form(const OpInstance& op) {
  const TensorType &x = op.in[0], &y = op.out[0];
  if (x.rank() != 4 || x.layout != Layout::ChannelsLast || y.layout != Layout::ChannelsLast) {
    return Support::no("only NHWC of two spatial dimensions");
  }
  if (x.dtype != DType::F32 || y.dtype != DType::F32) return Support::no("only f32");
  if (x.shape[1].value() % kBlock != 0 || y.shape[1].value() % kBlock != 0) {
    return Support::no("the channels are not blocks of 16");
  }
  const Shape& w = op.in[1].shape;
  const bool plain = w[2].is(3) && w[3].is(3) && op.attrs.i("group") == 1 &&
                     op.attrs.ints("strides") == Ints{1, 1} &&
                     op.attrs.ints("dilations") == Ints{1, 1};
  if (!plain) return Support::no("only 3x3 of stride 1");
  if (std::string why = refuse_prologues(op); !why.empty()) return Support::no(why);
  if (anchor_in(op)[1].dtype != op.in[1].dtype) return Support::no("the weights are converted");
  for (const TensorType& t : op.in) {
    if (t.layout == Layout::Blocked16 || t.rank() > 4) return Support::no("an operand is blocked");
  }
  if (is_sliced(op, 1) || (has_operand(op, 2) && is_sliced(op, 2)))
    return Support::no("weights or bias are a slice");
  if (!op.is_constant(1)) return Support::no("the weights are no constant");
  if (op.out.size() != 1 || op.in.size() > kMaxOperands) return Support::no("too many tensors");
  return Support::yes();
}

Support supports(const OpInstance& op, const DeviceInfo&) {
  if (Support s = refuse_form(op); !s) return s;
  return onednn_support(conv_problem(blocked(op), true));
}

Result<std::unique_ptr<Prepared>> load(const LoadContext& context) {
  const OpInstance op = blocked(context.op);
  const LoadContext inner{op,
                          context.config,
                          context.blob,
                          context.constants,
                          context.device,
                          context.cache,
                          context.constant_ids};
  std::unique_ptr<Prepared> conv = LATHE_TRY(load_onednn(inner, conv_problem(op, true)));
  return std::unique_ptr<Prepared>(std::make_unique<PreparedWinograd>(std::move(conv), context.op));
}

// A few times fewer multiplications, and copies of both activations.
double expect(const OpInstance& op, const Config&, const DeviceInfo& device) {
  const Cost cost = cost_of(op);
  return 4e-6 + 0.6 * cost.flops / device.flops_f32 + 2 * cost.bytes / device.bytes_per_second;
}

}  // namespace

const Tactic& winograd_nhwc() {
  static constexpr Tactic tactic{
      .name = "winograd_nhwc",
      .op = "Conv",
      .doc = "3x3 convolution by oneDNN's Winograd kernels, copied into blocks and back; NHWC.",
      .supports = supports,
      .load = load,
      .expect = expect,
  };
  return tactic;
}

}  // namespace lathe::cpu
