// SPDX-License-Identifier: Apache-2.0
// Checks and arithmetic of sliding windows.
#include "ops/window.h"

#include <algorithm>

#include "base/math.h"

namespace lathe {
namespace {

Status check_list(std::string_view name, const Ints& values, size_t count, int64_t least) {
  if (values.size() != count) {
    return invalid("{} has {} values, expected {}", name, values.size(), count);
  }
  for (int64_t v : values) {
    if (v < least || v > kMaxWindow) {
      return invalid("{} holds {}, expected {} to {}", name, v, least, kMaxWindow);
    }
  }
  return {};
}

// Proves size >= 0, refutes it, or leaves it to the runtime.
Result<Dim> nonnegative(InferContext& c, Dim size, const Dim& in, const Window& w, int d) {
  if (size.provably_nonnegative()) return size;
  const auto k = static_cast<size_t>(d);
  std::string what = fmt::format(
      "spatial dimension {}: input {}, kernel {}, stride {}, dilation {}, pads {} and {}", d,
      in.to_string(), w.kernel[k], w.strides[k], w.dilations[k], w.begin[k], w.end[k]);
  if (size.is_constant()) return invalid("{}: the window does not fit", what);
  c.constraints.push_back({Constraint::Kind::Nonnegative, size, Dim(), std::move(what)});
  return size;
}

// Visits the kernel positions [first, last) and keeps those that `place` puts inside the input.
template <class Place>
void collect(const Window& w, std::span<const int64_t> in, Ints first, Ints last,
             std::vector<Tap>& taps, Place&& place) {
  const Ints kernel_strides = [&] {
    Ints s(w.kernel.size(), 1);
    for (size_t d = s.size(); d-- > 1;) s[d - 1] = s[d] * w.kernel[d];
    return s;
  }();
  taps.clear();
  for_each(Box{std::move(first), std::move(last)}, [&](const int64_t* k, int64_t) {
    Tap tap{0, 0};
    for (size_t d = 0; d < in.size(); ++d) {
      const int64_t i = place(d, k[d]);
      if (i < 0 || i >= in[d]) return;
      tap.input = tap.input * in[d] + i;
      tap.kernel += k[d] * kernel_strides[d];
    }
    taps.push_back(tap);
  });
}

int64_t ceil_of(int64_t a, int64_t b) { return -floor_div(-a, b); }

}  // namespace

Result<Window> window_of(const Attrs& attrs, Ints kernel) {
  const size_t n = kernel.size();
  LATHE_TRY(check_list("kernel", kernel, n, 1));
  int64_t positions = 1;
  for (int64_t k : kernel) {
    const std::optional<int64_t> more = checked_mul(positions, k);
    if (!more) return invalid("kernel has more than 2^63 positions");
    positions = *more;
  }
  const Ints& pads = attrs.ints("pads");
  LATHE_TRY(check_list("strides", attrs.ints("strides"), n, 1));
  LATHE_TRY(check_list("dilations", attrs.ints("dilations"), n, 1));
  LATHE_TRY(check_list("pads", pads, 2 * n, 0));
  const auto middle = pads.begin() + static_cast<std::ptrdiff_t>(n);
  return Window{std::move(kernel), attrs.ints("strides"), attrs.ints("dilations"),
                Ints(pads.begin(), middle), Ints(middle, pads.end())};
}

Result<Ints> known_kernel(const Shape& weight) {
  Ints kernel;
  for (int d = 2; d < weight.rank(); ++d) {
    if (!weight[d].is_constant()) {
      return unsupported("the kernel size {} in w of shape {} is not known", weight[d].to_string(),
                         weight.to_string());
    }
    kernel.push_back(weight[d].value());
  }
  return kernel;
}

Status check_group(int64_t group, const Dim& channels, std::string_view what) {
  if (group < 1 || group > kMaxWindow) {
    return invalid("group is {}, expected 1 to {}", group, kMaxWindow);
  }
  if (channels.is_constant() && channels.value() % group != 0) {
    return invalid("group {} does not divide {} {}", group, channels.value(), what);
  }
  return {};
}

Result<Dim> window_output(InferContext& c, const Dim& in, const Window& w, int d,
                          Rounding rounding) {
  const auto k = static_cast<size_t>(d);
  const int64_t stride = w.strides[k], extent = w.extent(d);
  const Dim room = in + (w.begin[k] + w.end[k] - extent);
  if (rounding == Rounding::Floor) {
    return nonnegative(c, Dim::floor_div(room, stride) + 1, in, w, d);
  }
  Dim size = Dim::ceil_div(room, stride) + 1;
  // With enough of the window left of the end no window can start beyond it.
  if (w.end[k] - extent + stride > 0) {
    size = Dim::min(size, Dim::ceil_div(in + w.begin[k], stride));
  }
  return nonnegative(c, std::move(size), in, w, d);
}

Result<Dim> window_output_transposed(InferContext& c, const Dim& in, const Window& w, int d,
                                     int64_t output_padding) {
  const auto k = static_cast<size_t>(d);
  if (in.is(0)) return Dim(0);
  const Dim size =
      (in - 1) * w.strides[k] + Dim(w.extent(d) + output_padding - w.begin[k] - w.end[k]);
  return nonnegative(c, size, in, w, d);
}

void find_taps(const Window& w, std::span<const int64_t> in, const int64_t* at,
               std::vector<Tap>& taps) {
  const size_t n = in.size();
  Ints start(n), first(n), last(n);
  for (size_t d = 0; d < n; ++d) {
    start[d] = at[d] * w.strides[d] - w.begin[d];
    first[d] = std::max<int64_t>(0, ceil_of(-start[d], w.dilations[d]));
    last[d] = std::min(w.kernel[d], ceil_of(in[d] - start[d], w.dilations[d]));
    last[d] = std::max(last[d], first[d]);
  }
  collect(w, in, std::move(first), std::move(last), taps,
          [&](size_t d, int64_t k) { return start[d] + k * w.dilations[d]; });
}

void find_taps_transposed(const Window& w, std::span<const int64_t> in, const int64_t* at,
                          std::vector<Tap>& taps) {
  const size_t n = in.size();
  Ints start(n), first(n), last(n);
  for (size_t d = 0; d < n; ++d) {
    start[d] = at[d] + w.begin[d];  // start - k * dilation = i * stride
    const int64_t beyond = start[d] - (in[d] - 1) * w.strides[d];
    first[d] = std::max<int64_t>(0, ceil_of(beyond, w.dilations[d]));
    last[d] = std::min(w.kernel[d], start[d] / w.dilations[d] + 1);
    last[d] = std::max(last[d], first[d]);
  }
  collect(w, in, std::move(first), std::move(last), taps, [&](size_t d, int64_t k) {
    const int64_t place = start[d] - k * w.dilations[d];
    return place % w.strides[d] == 0 ? place / w.strides[d] : -1;
  });
}

}  // namespace lathe
