// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/gemm/conv_gemm.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/dnnl/onednn_prepared.h"
#include "backends/cpu/simd/image_epilogue.h"

namespace lathe::cpu {
namespace {

constexpr int kRank = 4;

struct Window {
  ImagePlane x;
  int64_t channels, height, width, out_height, out_width;
  int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;

  explicit Window(const OpInstance& op) : x(image_plane(op.in[0], operand_strides(op, 0))) {
    const std::vector<int64_t> in = op.in[0].shape.sizes(), out = op.out[0].shape.sizes();
    const std::vector<int64_t> w = op.in[1].shape.sizes();
    channels = in[1], height = in[2], width = in[3];
    out_height = out[2], out_width = out[3];
    kernel_h = w[2], kernel_w = w[3];
    stride_h = op.attrs.ints("strides")[0], stride_w = op.attrs.ints("strides")[1];
    dilation_h = op.attrs.ints("dilations")[0], dilation_w = op.attrs.ints("dilations")[1];
    pad_top = op.attrs.ints("pads")[0], pad_left = op.attrs.ints("pads")[1];
  }
  bool is_pixel() const {
    return kernel_h == 1 && kernel_w == 1 && x.h == x.w * width && is_same();
  }
  bool is_same() const {
    return stride_h == 1 && stride_w == 1 && pad_top == 0 && pad_left == 0 &&
           out_height == height && out_width == width;
  }
};

// Each row is a window, its taps row by row, each tap its channels.
class WindowRows : public RowSource {
 public:
  explicit WindowRows(const Window& w) : w_(w) {
    const bool joined = w.dilation_w == 1 && w.x.w == w.channels;
    pixels_ = joined ? w.kernel_w : 1;
    run_ = pixels_ * w.channels;
  }

  void gather(const Buffers& at, const Part& part, void* into) const override {
    auto* to = static_cast<std::byte*>(into);
    const int64_t pixels = w_.out_height * w_.out_width;
    const int64_t first = part.group * pixels + part.first;
    for (int64_t r = first; r < first + part.rows; ++r, to += part.pitch * bytes()) {
      const int64_t image = r / pixels, row = r % pixels / w_.out_width, column = r % w_.out_width;
      window(pixel(at.in[0], image * w_.x.n), row * w_.stride_h - w_.pad_top,
             column * w_.stride_w - w_.pad_left, part, to);
    }
  }

 private:
  int64_t bytes() const { return w_.x.bytes; }
  const std::byte* pixel(const void* x, int64_t element) const {
    return static_cast<const std::byte*>(x) + element * bytes();
  }

  // Elements [part.column, + part.columns) of the window whose first tap is (top, left).
  void window(const std::byte* x, int64_t top, int64_t left, const Part& part,
              std::byte* to) const {
    const int64_t runs_of_row = w_.kernel_w / pixels_, end = part.column + part.columns;
    for (int64_t at = part.column; at < end;) {
      const int64_t run = at / run_, begin = at % run_;
      const int64_t count = std::min(run_ - begin, end - at);
      const int64_t h = top + run / runs_of_row * w_.dilation_h;
      const int64_t w = left + run % runs_of_row * w_.dilation_w;
      copy_run(x, h, w, begin, begin + count, to + (at - part.column) * bytes());
      at += count;
    }
  }

  // Elements [begin, end) of `pixels_` pixels from (h, w) on, zeros outside the picture.
  void copy_run(const std::byte* x, int64_t h, int64_t w, int64_t begin, int64_t end,
                std::byte* to) const {
    int64_t from = end, until = end;  // the part inside
    if (h >= 0 && h < w_.height) {
      from = std::clamp(std::max<int64_t>(0, -w) * w_.channels, begin, end);
      until = std::clamp(std::min(pixels_, w_.width - w) * w_.channels, from, end);
    }
    fill(to, from - begin);
    if (until > from) {
      // A pixel outside is not read.
      const std::byte* row = pixel(x, h * w_.x.h + w * w_.x.w + from);
      std::memcpy(to + (from - begin) * bytes(), row,
                  static_cast<size_t>((until - from) * bytes()));
    }
    fill(to + (until - begin) * bytes(), end - until);
  }
  void fill(std::byte* to, int64_t count) const {
    if (count > 0) std::memset(to, 0, static_cast<size_t>(count * bytes()));
  }

  Window w_;
  int64_t pixels_, run_;  // that lie together: pixels, and their elements
};

bool all_are_nhwc(const OpInstance& op) {
  if (op.in[0].layout != Layout::ChannelsLast) return false;
  return std::all_of(op.out.begin(), op.out.end(),
                     [](const TensorType& t) { return t.layout == Layout::ChannelsLast; });
}

// Pixels of a picture as rows; false: they do not follow each other evenly.
bool place(const TensorType& type, const std::vector<int64_t>& strides, int64_t width,
           MatrixPlace& into) {
  const ImagePlane p = image_plane(type, strides);
  into = {p.n, p.w, p.c, p.bytes};
  return p.h == p.w * width;
}

std::string refuse(const OpInstance& op, DType type) {
  if (op.in[0].rank() != kRank) return "only two spatial dimensions";
  if (!all_are_nhwc(op)) return "the input or a result is not NHWC";
  if (op.attrs.i("group") != 1) return "there are groups";
  for (const TensorType& t : op.in) {
    if (t.absent()) continue;
    if (t.layout == Layout::Blocked16) return "an operand is blocked";
    if (t.rank() > kRank) return "an operand has more dimensions";
  }
  return refuse_gemm(op, type);
}

// The windows' order of taps and channels, in weights [m, c, kernel_h, kernel_w].
std::vector<int64_t> weight_rows(const Window& w) {
  std::vector<int64_t> rows;
  const int64_t taps = w.kernel_h * w.kernel_w;
  rows.reserve(static_cast<size_t>(taps * w.channels));
  for (int64_t tap = 0; tap < taps; ++tap) {
    for (int64_t c = 0; c < w.channels; ++c) rows.push_back(c * taps + tap);
  }
  return rows;
}

}  // namespace

GemmProblem conv_gemm(const OpInstance& op, DType type) {
  GemmProblem p;
  p.type = type;
  p.why = refuse(op, type);
  if (!p.ok()) return p;
  const Window w(op);
  p.groups = op.out[0].shape[0].value();
  p.rows = w.out_height * w.out_width;
  p.columns = op.out[0].shape[1].value();
  p.weight_rows = weight_rows(w);
  p.depth = static_cast<int64_t>(p.weight_rows.size());
  p.weight_step = p.depth;
  p.has_bias = has_operand(op, 2);
  if (w.x.c != 1 && w.channels > 1) p.why = "channels do not lie together";
  p.a = {w.x.n, w.x.w, 1, w.x.bytes};
  auto place_as = [&](size_t k, bool in_result, MatrixPlace& into) {
    const std::vector<int64_t> strides = operand_strides(op, static_cast<int>(k));
    return place(op.in[k], strides, in_result ? w.out_width : w.width, into);
  };
  if (p.ok()) p.why = place_operands(op, place_as, p);
  if (!p.prologue.empty() && !w.is_pixel()) p.why = "a prologue of windows of several pixels";
  for (size_t k = 0; k < op.out.size() && p.ok(); ++k) {
    p.out.emplace_back();
    if (!place(op.out[k], result_strides(op, static_cast<int>(k)), w.out_width, p.out.back())) {
      p.why = "a result's pixels do not follow each other evenly";
    }
  }
  if (!p.ok()) return p;
  if (p.prologue.empty() && !w.is_pixel()) p.source = std::make_shared<WindowRows>(w);
  p.join_groups();
  return p;
}

}  // namespace lathe::cpu
