// SPDX-License-Identifier: Apache-2.0
#include "tuner/test_data.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/parallel.h"
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
    constexpr uint64_t kDraws = 3;  // of a normal()
    const std::span<float> values = t.mutable_span<float>();
    parallel_for(n, 4096, [&](int64_t begin, int64_t end) {
      Random part = random;
      part.skip(kDraws * static_cast<uint64_t>(begin));
      for (int64_t i = begin; i < end; ++i)
        values[static_cast<size_t>(i)] = static_cast<float>(part.normal());
    });
    random.skip(kDraws * static_cast<uint64_t>(n));
    return {};
  }
  if (t.dtype() == DType::String) return {};
  if (kind(t.dtype()) == DKind::Complex) {
    random.fill_bytes(t.mutable_bytes());
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

Status TestBuffer::poison(Stream& stream, uint8_t value) {
  if (poison_ != value) std::fill(image_.begin(), image_.end(), std::byte{value});
  poison_ = value;
  LATHE_TRY(device_->upload(memory_->data(), image_.data(), image_.size(), stream));
  return stream.synchronize();
}

// Calls copy(offset in the dense tensor, offset in the larger image, bytes) for each element.
template <class F>
static void for_slice(const TensorType& type, const TensorType& whole, F&& copy) {
  const auto size = static_cast<size_t>(bits(type.dtype) / 8);
  const std::vector<int64_t> from = strides(type), to = strides(whole);
  for_each(Box::whole(type.shape), [&](const int64_t* c, int64_t) {
    int64_t a = 0, b = 0;
    for (size_t d = 0; d < from.size(); ++d) a += c[d] * from[d], b += c[d] * to[d];
    copy(static_cast<size_t>(a) * size, static_cast<size_t>(b) * size, size);
  });
}

static void put_slice(const TensorType& type, const TensorType& whole, const std::byte* dense,
                      std::byte* image) {
  for_slice(type, whole,
            [&](size_t a, size_t b, size_t size) { std::memcpy(image + b, dense + a, size); });
}
static void take_slice(const TensorType& type, const TensorType& whole, const std::byte* image,
                       std::byte* dense) {
  for_slice(type, whole,
            [&](size_t a, size_t b, size_t size) { std::memcpy(dense + a, image + b, size); });
}

Status TestBuffer::write(const HostTensor& row_major, Stream& stream) {
  HostTensor laid = LATHE_TRY(relayout(row_major, type_.layout));
  std::byte* at = image_.data() + kCanary + offset_;
  poison_.reset();
  if (slice_) {
    put_slice(type_, whole_, laid.bytes().data(), at);
  } else if (!laid.bytes().empty()) {
    std::memcpy(at, laid.bytes().data(), laid.bytes().size());
  }
  LATHE_TRY(device_->upload(memory_->data(), image_.data(), image_.size(), stream));
  return stream.synchronize();
}

Result<std::span<const std::byte>> TestBuffer::held(Stream& stream,
                                                    std::vector<std::byte>& copy) const {
  const auto* memory = static_cast<const std::byte*>(memory_->data());
  if (device_->is_host()) return std::span(memory, image_.size());
  copy.resize(image_.size());
  LATHE_TRY(device_->download(copy.data(), memory, copy.size(), stream));
  LATHE_TRY(stream.synchronize());
  return std::span<const std::byte>(copy);
}

Result<HostTensor> TestBuffer::read(Stream& stream) const {
  HostTensor laid = LATHE_TRY(HostTensor::make(type_));
  std::vector<std::byte> copy;
  const std::span<const std::byte> now = LATHE_TRY(held(stream, copy));
  const std::byte* at = now.data() + kCanary + offset_;
  if (slice_) {
    take_slice(type_, whole_, at, laid.mutable_bytes().data());
  } else if (!laid.bytes().empty()) {
    std::memcpy(laid.mutable_bytes().data(), at, laid.bytes().size());
  }
  return relayout(laid, Layout::RowMajor);
}

Result<HostTensor> TestBuffer::peek(Stream& stream) const {
  if (slice_ || !device_->is_host() || type_.dtype == DType::Bool) return read(stream);
  return HostTensor::view(type_, {static_cast<const std::byte*>(data()), bytes_}, nullptr);
}

Result<HostTensor> TestBuffer::read_as(const TensorType& type, Stream& stream) const {
  HostTensor laid = LATHE_TRY(HostTensor::make(type));
  LATHE_CHECK(!slice_ && laid.bytes().size() == bytes_);
  LATHE_TRY(device_->download(laid.mutable_bytes().data(), data(), bytes_, stream));
  LATHE_TRY(stream.synchronize());
  return relayout(laid, Layout::RowMajor);
}

Status TestBuffer::check_unchanged(Stream& stream) const {
  std::vector<std::byte> copy;
  const std::span<const std::byte> now = LATHE_TRY(held(stream, copy));
  const bool same = std::memcmp(now.data(), image_.data(), image_.size()) == 0;
  return same ? Status() : internal("it wrote to its operands");
}

Status TestBuffer::check_canaries(Stream& stream) const {
  std::vector<std::byte> copy;
  const std::span<const std::byte> now = LATHE_TRY(held(stream, copy));
  auto clean = [&](size_t begin, size_t end) {
    return std::memcmp(now.data() + begin, image_.data() + begin, end - begin) == 0;
  };
  if (!clean(0, kCanary)) return internal("it wrote before its tensor");
  if (!clean(kCanary + bytes_, now.size())) return internal("it wrote past its tensor");
  if (!slice_) return {};
  std::vector<std::byte> outside = image_;
  HostTensor dense = LATHE_TRY(HostTensor::make(type_));
  take_slice(type_, whole_, now.data() + kCanary + offset_, dense.mutable_bytes().data());
  put_slice(type_, whole_, dense.bytes().data(), outside.data() + kCanary + offset_);
  const bool same = std::memcmp(outside.data(), now.data(), now.size()) == 0;
  return same ? Status() : internal("it wrote outside its slice");
}

}  // namespace lathe
