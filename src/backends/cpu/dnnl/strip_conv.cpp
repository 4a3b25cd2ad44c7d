// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/dnnl/strip_conv.h"

#include <algorithm>

#include "base/math.h"
#include "base/parallel.h"

namespace lathe::cpu {
namespace {

// Of one image the stride is free, and oneDNN knows NHWC by the dense one.
void set_rows(MemorySpec& m, int64_t rows, bool dense) {
  m.dims[0] = 1;
  m.dims[2] = rows;
  if (dense) m.strides = {0, 1, m.dims[3] * m.dims[1], m.dims[1]};
  m.strides[0] = rows * m.strides[2];
}

}  // namespace

Strip strip_of(const ConvSpec& whole, int64_t image, int64_t first, int64_t rows) {
  const int64_t height = whole.src.dims[2];
  const int64_t kernel = whole.weights.dims[whole.weights.dims.size() - 2];
  const int64_t extent = whole.dilations[0] * (kernel - 1) + 1;
  const int64_t begin = first * whole.strides[0] - whole.begin[0];
  const int64_t end = (first + rows - 1) * whole.strides[0] - whole.begin[0] + extent;
  const int64_t in_first = std::clamp<int64_t>(begin, 0, height);
  const int64_t in_end = std::clamp<int64_t>(end, in_first, height);
  return {image, first, rows, in_first, in_end - in_first, in_first - begin, end - in_end};
}

int64_t strip_rows(const ConvSpec& whole, int64_t row_bytes, int64_t bytes, int threads) {
  const int64_t height = whole.dst.dims[2];
  int64_t strips = std::max<int64_t>(1, ceil_div(height * row_bytes, std::max(bytes, row_bytes)));
  if (whole.dst.dims[0] % threads != 0) strips = round_up(strips, threads);
  return ceil_div(height, strips);
}

ConvSpec strip_spec(const ConvSpec& whole, const Strip& strip, bool dense_src, bool dense_dst) {
  ConvSpec c = whole;
  set_rows(c.src, strip.in_rows, dense_src);
  set_rows(c.dst, strip.out_rows, dense_dst);
  c.begin[0] = strip.pad_begin;
  c.end[0] = strip.pad_end;
  return c;
}

Status StripPrimitives::add(const Strip& strip, const ConvSpec& spec, const LoadContext& context) {
  std::unique_ptr<OnednnPrimitive>& made = primitives_[strip.kind()];
  if (made != nullptr) return {};
  ThreadScope one(1);  // a strip is one thread's
  made = LATHE_TRY(OnednnPrimitive::make(spec, ""));
  scratchpad_ = std::max(scratchpad_, made->scratchpad_bytes());
  return pack(*made, context);
}

Status StripPrimitives::pack(const OnednnPrimitive& primitive, const LoadContext& context) {
  std::shared_ptr<Memory>& into = packed_[primitive.weights_key()];
  if (into != nullptr) return {};
  const auto k = static_cast<size_t>(operand_);
  const HostTensor& weights = context.constants[k];
  const uint64_t id = k < context.constant_ids.size() ? context.constant_ids[k] : 0;
  const std::string key = fmt::format("strips|{}|{}|{}|{}", id, to_string(weights.dtype()),
                                      fmt::join(plain_.dims, ","), primitive.weights_key());
  const size_t bytes = primitive.weights_bytes();
  auto fill = [&](void* to) { return primitive.pack(plain_, weights.bytes().data(), to); };
  into = LATHE_TRY(context.cache.get_packed(key, context.device, bytes, fill));
  packed_bytes_ += bytes;
  return {};
}

Status StripPrimitives::run(const Strip& strip, OnednnPrimitive::Args args) const {
  const OnednnPrimitive& primitive = *primitives_.at(strip.kind());
  args.weights = packed_.at(primitive.weights_key())->data();
  return primitive.run(args);
}

}  // namespace lathe::cpu
