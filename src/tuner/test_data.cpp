// SPDX-License-Identifier: Apache-2.0
#include "tuner/test_data.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "base/random.h"
#include "tensor/relayout.h"

namespace lathe {
namespace {

constexpr size_t kCanary = 256;
constexpr std::byte kPoison{0xFF};

// How many values an integer operand may take: the size of what it indexes, else a small range.
int64_t index_limit(const OpInstance& op, size_t k) {
  const std::string_view name = op.def->name;
  auto size_of_axis = [&] { return op.in[0].shape[static_cast<int>(op.attrs.i("axis"))].value(); };
  if (k == 1 && (name == "Gather" || name == "GatherElements" || name == "ScatterElements")) {
    return size_of_axis();
  }
  if (k == 1 && (name == "GatherND" || name == "ScatterND")) {
    int64_t least = std::numeric_limits<int64_t>::max();
    for (const Dim& d : op.in[0].shape) least = std::min(least, d.value());
    return least;
  }
  if (k == 0 && name == "OneHot") return op.attrs.dims("depth")[0].value();
  return 0;
}

Status fill_random(HostTensor& t, Random& random, int64_t limit) {
  const int64_t n = t.elements();
  if (t.dtype() == DType::F32) {
    for (float& v : t.mutable_span<float>()) v = static_cast<float>(random.normal());
    return {};
  }
  for (int64_t i = 0; i < n; ++i) {
    if (is_float(t.dtype())) {
      t.set_f64(i, random.normal());
    } else if (t.dtype() == DType::Bool) {
      t.set_i64(i, random.integer(0, 1));
    } else if (limit > 0) {
      t.set_i64(i, random.integer(0, limit - 1));
    } else {
      t.set_i64(i, random.integer(kind(t.dtype()) == DKind::Uint ? 0 : -8, 16));
    }
  }
  return {};
}

double unit_roundoff(DType t) {
  switch (t) {
    case DType::F64: return 0x1p-53;
    case DType::F32: return 0x1p-24;
    case DType::F16: return 0x1p-11;
    case DType::BF16: return 0x1p-8;
    default: return 0;
  }
}

// Rounding of intermediates counts at the narrowest type that the expressions compute in.
double accumulation_roundoff(const OpInstance& op, DType out) {
  const bool elementwise = op.def->name == "Pointwise" || !op.fusion.empty();
  double eps = elementwise ? unit_roundoff(out) : std::min(unit_roundoff(out), 0x1p-24);
  if (!elementwise) return eps;
  for (const TensorType& t : op.fusion.anchor_out) eps = std::max(eps, unit_roundoff(t.dtype));
  return eps;
}

std::vector<Box> sample_boxes(const OpInstance& op, uint64_t seed) {
  const std::vector<int64_t> sizes = op.out[0].shape.sizes();
  const double per_element =
      cost_of(op).flops / std::max<double>(1, static_cast<double>(op.out[0].shape.elements()));
  const double kWork = 2e6;  // scalar operations a box: a millisecond or two
  const auto target =
      static_cast<int64_t>(std::max(4.0, std::min(2048.0, kWork / std::max(1.0, per_element))));
  Random random(seed ^ 0x5bd1e995u);
  std::vector<Box> boxes;
  for (int b = 0; b < 6; ++b) {
    Box box;
    box.begin.assign(sizes.size(), 0);
    box.end = sizes;
    int64_t room = target;
    for (size_t d = sizes.size(); d-- > 0;) {
      // The first box is the first corner, the second the last one, the others fall anywhere; odd
      // ones are long in the leading dimensions, even ones in the trailing.
      const size_t axis = b % 2 == 0 ? d : sizes.size() - 1 - d;
      const int64_t length = std::min(
          sizes[axis], std::max<int64_t>(1, b % 2 == 0 ? room : std::min<int64_t>(room, 16)));
      const int64_t free = sizes[axis] - length;
      const int64_t at = b == 0 ? 0 : b == 1 ? free : random.integer(0, free);
      box.begin[axis] = at;
      box.end[axis] = at + length;
      room = std::max<int64_t>(1, room / length);
    }
    boxes.push_back(std::move(box));
  }
  return boxes;
}

int64_t linear_index(const int64_t* c, std::span<const int64_t> sizes) {
  int64_t at = 0;
  for (size_t d = 0; d < sizes.size(); ++d) at = at * sizes[d] + c[d];
  return at;
}

}  // namespace

Result<std::vector<HostTensor>> make_inputs(const OpInstance& op,
                                            std::span<const HostTensor> constants, uint64_t seed) {
  Random random(seed);
  std::vector<HostTensor> inputs(op.in.size());
  for (size_t k = 0; k < op.in.size(); ++k) {
    if (op.in[k].absent()) continue;
    if (k < constants.size() && !constants[k].empty()) {
      inputs[k] = LATHE_TRY(relayout(constants[k], Layout::RowMajor));
      continue;
    }
    inputs[k] = LATHE_TRY(HostTensor::make({op.in[k].dtype, op.in[k].shape, Layout::RowMajor}));
    LATHE_TRY(fill_random(inputs[k], random, index_limit(op, k)));
  }
  return inputs;
}

Result<TestBuffer> TestBuffer::make(Device& device, Stream& stream, const TensorType& type,
                                    const std::optional<Slice>& slice) {
  TestBuffer b;
  b.device_ = &device;
  b.type_ = b.whole_ = type;
  b.slice_ = slice;
  if (slice) {
    b.whole_.shape[slice->axis] = slice->whole;
    b.offset_ = bytes(type.dtype,
                      strides(b.whole_)[static_cast<size_t>(slice->axis)] * slice->start.value());
  }
  b.bytes_ = static_cast<size_t>(LATHE_TRY(storage_bytes(b.whole_)));
  b.memory_ = LATHE_TRY(device.allocate(b.bytes_ + 2 * kCanary));
  b.image_.assign(b.bytes_ + 2 * kCanary, kPoison);
  LATHE_TRY(b.poison(stream));
  return b;
}

void* TestBuffer::data() const {
  return static_cast<std::byte*>(memory_->data()) + kCanary + offset_;
}

Status TestBuffer::poison(Stream& stream) {
  std::fill(image_.begin(), image_.end(), kPoison);
  LATHE_TRY(device_->upload(memory_->data(), image_.data(), image_.size(), stream));
  return stream.synchronize();
}

// Copies between a dense tensor and its place in the (larger) image. `into_image` says which way.
static void move_slice(const TensorType& type, const TensorType& whole, std::byte* dense,
                       std::byte* image, bool into_image) {
  const auto size = static_cast<size_t>(bits(type.dtype) / 8);
  const std::vector<int64_t> from = strides(type), to = strides(whole);
  for_each(Box::whole(type.shape), [&](const int64_t* c, int64_t) {
    int64_t a = 0, b = 0;
    for (size_t d = 0; d < from.size(); ++d) a += c[d] * from[d], b += c[d] * to[d];
    std::byte* x = dense + static_cast<size_t>(a) * size;
    std::byte* y = image + static_cast<size_t>(b) * size;
    std::memcpy(into_image ? y : x, into_image ? x : y, size);
  });
}

Status TestBuffer::write(const HostTensor& row_major, Stream& stream) {
  HostTensor laid = LATHE_TRY(relayout(row_major, type_.layout));
  std::byte* at = image_.data() + kCanary + offset_;
  if (slice_) {
    move_slice(type_, whole_, laid.mutable_bytes().data(), at, true);
  } else if (!laid.bytes().empty()) {
    std::memcpy(at, laid.bytes().data(), laid.bytes().size());
  }
  LATHE_TRY(device_->upload(memory_->data(), image_.data(), image_.size(), stream));
  return stream.synchronize();
}

Result<HostTensor> TestBuffer::read(Stream& stream) const {
  HostTensor laid = LATHE_TRY(HostTensor::make(type_));
  std::vector<std::byte> now(image_.size());
  LATHE_TRY(device_->download(now.data(), memory_->data(), now.size(), stream));
  LATHE_TRY(stream.synchronize());
  std::byte* at = now.data() + kCanary + offset_;
  if (slice_) {
    move_slice(type_, whole_, laid.mutable_bytes().data(), at, false);
  } else if (!laid.bytes().empty()) {
    std::memcpy(laid.mutable_bytes().data(), at, laid.bytes().size());
  }
  return relayout(laid, Layout::RowMajor);
}

Status TestBuffer::check_canaries(Stream& stream) const {
  std::vector<std::byte> now(image_.size());
  LATHE_TRY(device_->download(now.data(), memory_->data(), now.size(), stream));
  LATHE_TRY(stream.synchronize());
  auto clean = [&](size_t begin, size_t end) {
    return std::memcmp(now.data() + begin, image_.data() + begin, end - begin) == 0;
  };
  if (!clean(0, kCanary)) return internal("it wrote before its tensor");
  if (!clean(kCanary + bytes_, now.size())) return internal("it wrote past its tensor");
  if (!slice_) return {};
  std::vector<std::byte> outside = image_;
  HostTensor dense = LATHE_TRY(HostTensor::make(type_));
  move_slice(type_, whole_, dense.mutable_bytes().data(), now.data() + kCanary + offset_, false);
  move_slice(type_, whole_, dense.mutable_bytes().data(), outside.data() + kCanary + offset_, true);
  return outside == now ? Status() : internal("it wrote outside its slice");
}

Result<Expectation> Expectation::make(const OpInstance& op, std::span<const HostTensor> inputs,
                                      uint64_t seed, bool whole) {
  constexpr double kCheapFlops = 4e6;
  Expectation e;
  const bool boxes = (op.def->flags & kBoxes) != 0 && op.out.size() == 1;
  const bool small = op.out[0].shape.elements() <= 65536 && cost_of(op).flops <= kCheapFlops;
  if (op.out[0].shape.elements() == 0) return e;
  if (!boxes) {
    std::vector<HostTensor> values = LATHE_TRY(run_reference(op, inputs));
    for (size_t k = 0; k < values.size(); ++k) {
      Box box = Box::whole(values[k].shape());
      e.parts_.push_back({k, std::move(box), std::move(values[k]), HostTensor()});
    }
    return e;
  }
  std::vector<Box> parts;
  if (whole || small) {
    parts.push_back(Box::whole(op.out[0].shape));
  } else {
    parts = sample_boxes(op, seed);
  }
  for (Box& box : parts) {
    BoxResult r = LATHE_TRY(run_reference_box(op, inputs, box));
    e.parts_.push_back({0, std::move(box), std::move(r.value), std::move(r.magnitude)});
  }
  return e;
}

Status Expectation::compare(const OpInstance& op, std::span<const HostTensor> outputs,
                            Certificate& into) const {
  const double k = op.def->tolerance.k;
  for (const Part& part : parts_) {
    const HostTensor& got = outputs[part.output];
    const DType type = got.dtype();
    const double eps = unit_roundoff(type), eps_acc = accumulation_roundoff(op, type);
    const std::vector<int64_t> sizes = got.shape().sizes();
    double largest = 0;
    for (int64_t i = 0; i < part.value.elements(); ++i) {
      const double v = std::abs(part.value.get_f64(i));
      if (std::isfinite(v)) largest = std::max(largest, v);
    }
    Status wrong;
    for_each(part.box, [&](const int64_t* c, int64_t at) {
      if (!wrong.ok()) return;
      const double want = part.value.get_f64(at), have = got.get_f64(linear_index(c, sizes));
      ++into.elements;
      if (want == have || (std::isnan(want) && std::isnan(have))) return;
      const double terms = part.magnitude.empty() ? largest : part.magnitude.get_f64(at);
      const double allowed = k * (eps_acc * terms + eps * (std::abs(want) + largest));
      const double error = std::abs(have - want);
      if (largest > 0) into.max_error = std::max(into.max_error, error / largest);
      if (allowed > 0) into.bound_used = std::max(into.bound_used, error / allowed);
      if (!(error <= allowed)) {
        wrong =
            internal("element {} of result {} is {}, the reference says {} (allowed error {:.3g})",
                     linear_index(c, sizes), part.output, have, want, allowed);
      }
    });
    LATHE_TRY(wrong);
  }
  into.checked = true;
  return {};
}

}  // namespace lathe
