// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sliding windows of Conv, Deconv and Pool: their attributes checked once, sizes of outputs, and
// which input elements a window covers.
//
//   Window w = LATHE_TRY(window_of(attrs, kernel));
//   Dim out = LATHE_TRY(window_output(in, w, 0, Rounding::Floor));
#include <cstdint>
#include <span>
#include <vector>

#include "ops/op.h"

namespace lathe {

// No kernel, stride, dilation or padding may be larger, so that arithmetic on them cannot overflow.
inline constexpr int64_t kMaxWindow = int64_t{1} << 30;

// One entry for each spatial dimension.
struct Window {
  Ints kernel, strides, dilations, begin, end;  // begin and end: the padding

  int rank() const { return static_cast<int>(kernel.size()); }
  // Input elements from the window's first to its last, inclusive.
  int64_t extent(int d) const {
    const auto k = static_cast<size_t>(d);
    return dilations[k] * (kernel[k] - 1) + 1;
  }
};

// The attributes strides, dilations and pads with this kernel. An error names attribute, value and
// what is expected.
Result<Window> window_of(const Attrs& attrs, Ints kernel);
// The sizes of dimensions 2 and up, which must be known: of a weight, the kernel.
Result<Ints> known_kernel(const Shape& weight);
// group is at least 1 and divides `channels` (a constant; of a symbol nothing is demanded).
Status check_group(int64_t group, const Dim& channels, std::string_view what);

enum class Rounding : uint8_t { Floor, Ceil };
// floor((in + pads - extent) / stride) + 1. Ceil rounds up, but a window must start inside the
// input or the padding before it. A negative size is an error or becomes a constraint.
Result<Dim> window_output(InferContext& c, const Dim& in, const Window& w, int d,
                          Rounding rounding);
// (in - 1) * stride + extent + output_padding - pads: the input size that such windows came from.
Result<Dim> window_output_transposed(InferContext& c, const Dim& in, const Window& w, int d,
                                     int64_t output_padding);

// One element that a window reads: its place in the input's spatial plane and in the kernel.
struct Tap {
  int64_t input, kernel;
};
// The elements inside the input of sizes `in` that the window of output position `at` covers.
void find_taps(const Window& w, std::span<const int64_t> in, const int64_t* at,
               std::vector<Tap>& taps);
// The same for the transposed operation: input elements whose windows cover output position `at`.
void find_taps_transposed(const Window& w, std::span<const int64_t> in, const int64_t* at,
                          std::vector<Tap>& taps);

}  // namespace lathe
