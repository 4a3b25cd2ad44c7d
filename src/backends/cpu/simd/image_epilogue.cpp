// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/simd/image_epilogue.h"

#include <utility>

namespace lathe::cpu {
namespace {

constexpr size_t kRank = 4;

}  // namespace

bool is_relu(const Expr& e) {
  if (e.outputs().size() != 1) return false;
  const auto node = [&](int32_t at) -> const ExprNode& {
    return e.nodes()[static_cast<size_t>(at)];
  };
  const auto is_value = [](const ExprNode& n) {
    return n.op == ScalarOp::Input && n.input == 0 && n.dtype == DType::F32;
  };
  const auto is_zero = [](const ExprNode& n) { return n.op == ScalarOp::Literal && n.value == 0; };
  const ExprNode& root = node(e.outputs()[0]);
  if (root.op != ScalarOp::Max) return false;
  const ExprNode &a = node(root.args[0]), &b = node(root.args[1]);
  return (is_value(a) && is_zero(b)) || (is_zero(a) && is_value(b));
}

ImagePlane image_plane(const TensorType& type, const std::vector<int64_t>& strides) {
  ImagePlane p;
  p.bytes = bits(type.dtype) / 8;
  int64_t* const into[kRank] = {&p.n, &p.c, &p.h, &p.w};
  const std::vector<int64_t> sizes = type.shape.sizes();
  const size_t missing = kRank - sizes.size();
  for (size_t d = 0; d < sizes.size(); ++d) {
    *into[missing + d] = sizes[d] == 1 ? 0 : strides[d];
  }
  return p;
}

ImagePlane dense_image_plane(int64_t channels, int64_t width, int64_t bytes) {
  return {0, 1, width * channels, channels, bytes};
}

Rows image_row(const void* base, const ImagePlane& p, int64_t n, int64_t h, int64_t w) {
  const int64_t offset = (n * p.n + h * p.h + w * p.w) * p.bytes;
  return {static_cast<std::byte*>(const_cast<void*>(base)) + offset, p.c, p.w};
}

ImageEpilogue::ImageEpilogue(const OpInstance& op, bool in_place) : in_place_(in_place) {
  const Fusion& f = op.fusion;
  const DType result = f.empty() ? op.out[0].dtype : f.anchor_out[0].dtype;
  const Expr e = f.epilogue.empty() ? Expr::identity(result) : f.epilogue;
  const DType storage[] = {DType::F32};
  kernel_ = ExprKernel(e, storage);
  channels_ = op.out[0].shape[1].value();
  width_ = op.out[0].shape[3].value();
  for (size_t k = 0; k < op.out.size(); ++k) {
    out_.push_back(image_plane(op.out[k], result_strides(op, static_cast<int>(k))));
  }
  in_.push_back(in_place ? out_[0] : dense_image_plane(channels_, width_, 4));
  const size_t own = f.empty() ? op.in.size() : static_cast<size_t>(f.anchor_operands);
  for (size_t k = own; k < op.in.size(); ++k) operands_.push_back(k);
  operands_.push_back(0);
  for (size_t k : operands_) {
    in_.push_back(image_plane(op.in[k], operand_strides(op, static_cast<int>(k))));
  }
  join(e.inputs());
}

// As few calls as the strides allow: a strip may be one row of elements (dense planes and scalars),
// or one row for each pixel.
void ImageEpilogue::join(std::span<const DType> inputs) {
  auto consider = [&](const ImagePlane& p) {
    const bool scalar = p.c == 0 && p.w == 0 && p.h == 0;
    joins_rows_ = joins_rows_ && p.h == width_ * p.w;
    joins_all_ = joins_all_ && (scalar || (p.c == 1 && p.w == channels_));
  };
  for (size_t k = 0; k < in_.size() && k < inputs.size(); ++k) {
    if (kernel_.reads(static_cast<int>(k))) consider(in_[k]);
  }
  for (const ImagePlane& p : out_) consider(p);
  joins_all_ = joins_all_ && joins_rows_;
}

void ImageEpilogue::run(const Buffers& at, const void* strip, int64_t image, int64_t first,
                        int64_t rows) const {
  const int64_t together = joins_rows_ ? rows : 1;
  int64_t pixels = together * width_, n = channels_;
  if (joins_all_) n *= std::exchange(pixels, 1);
  thread_local std::vector<Rows> in, out;  // kept: a launch allocates nothing
  for (int64_t h = 0; h < rows; h += together) {
    in.clear();
    out.clear();
    in.push_back(in_place_ ? image_row(at.out[0], in_[0], image, first + h)
                           : image_row(strip, in_[0], 0, h));
    for (size_t k = 0; k < operands_.size(); ++k) {
      in.push_back(image_row(at.in[operands_[k]], in_[k + 1], image, first + h));
    }
    for (size_t k = 0; k < out_.size(); ++k) {
      out.push_back(image_row(at.out[k], out_[k], image, first + h));
    }
    kernel_.run(in, out, pixels, n);
  }
}

}  // namespace lathe::cpu
