// SPDX-License-Identifier: Apache-2.0
#pragma once
// An epilogue over some image rows of an NHWC result, for tactics that compute a part of it and
// then apply the expression while the part is in cache.
#include "backends/cpu/simd/expr_kernel.h"
#include "device/tactic.h"

namespace lathe::cpu {

// A tensor that broadcasts to [N, C, H, W]: strides in elements, 0 where it repeats.
struct ImagePlane {
  int64_t n = 0, c = 0, h = 0, w = 0;
  int64_t bytes = 4;
};
ImagePlane image_plane(const TensorType& type, const std::vector<int64_t>& strides);
ImagePlane dense_image_plane(int64_t channels, int64_t width, int64_t bytes);
// Row h of image n from column w on: rows of a kernel are pixels, their elements channels.
Rows image_row(const void* base, const ImagePlane& plane, int64_t n, int64_t h, int64_t w = 0);

// "At least 0" of input 0 and nothing else, which kernels of ours do as they store.
bool is_relu(const Expr& e);

// Immutable after construction; threads share it.
class ImageEpilogue {
 public:
  ImageEpilogue() = default;
  // `in_place`: the anchor's result stands, in f32, in result 0, which the epilogue overwrites.
  // Otherwise in rows of its own, dense f32 in NHWC. Without an epilogue the values are moved.
  ImageEpilogue(const OpInstance& op, bool in_place);

  // `strip`: the anchor's rows from `first` on, when not in place.
  void run(const Buffers& at, const void* strip, int64_t image, int64_t first, int64_t rows) const;

 private:
  void join(std::span<const DType> inputs);
  ExprKernel kernel_;
  std::vector<ImagePlane> in_, out_;  // in_: the anchor's result, extras, operand 0
  std::vector<size_t> operands_;      // of the instance, for in_[1] on
  int64_t channels_ = 0, width_ = 0;
  bool in_place_ = false, joins_rows_ = true, joins_all_ = true;
};

}  // namespace lathe::cpu
