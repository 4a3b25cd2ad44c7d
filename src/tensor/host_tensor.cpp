// SPDX-License-Identifier: Apache-2.0
#include "tensor/host_tensor.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include "base/hash.h"
#include "base/math.h"
#include "tensor/element.h"

namespace lathe {
namespace {

constexpr size_t kAlignment = 64;
// No machine holds such a tensor; asking malloc for it would only test its overcommitment.
constexpr size_t kMaxBytes = size_t{1} << 39;

std::shared_ptr<std::byte> allocate(size_t size) {
  if (size > kMaxBytes) return nullptr;
  size_t rounded = round_up(std::max<size_t>(size, 1), kAlignment);
  auto* p = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded));
  return p == nullptr ? nullptr : std::shared_ptr<std::byte>(p, std::free);
}

bool is_aligned(const void* p, DType t) {
  auto width = static_cast<size_t>(std::max(1, std::min(bits(t) / 8, 8)));
  return reinterpret_cast<uintptr_t>(p) % width == 0;
}

// Bytes that a bool may not hold in C++.
bool has_strange_bool(DType t, std::span<const std::byte> bytes) {
  return t == DType::Bool &&
         std::any_of(bytes.begin(), bytes.end(), [](std::byte b) { return b > std::byte{1}; });
}

}  // namespace

Result<HostTensor> HostTensor::make(const TensorType& type) {
  if (type.absent()) return invalid("an absent tensor has no elements");
  HostTensor t;
  t.type_ = type;
  if (type.dtype == DType::String) {
    TensorType counted = type;
    counted.dtype = DType::C128;
    LATHE_TRY(storage_bytes(counted));
    t.elements_ = type.shape.elements();
    t.strings_ = std::make_shared<std::vector<std::string>>(static_cast<size_t>(t.elements_));
    return t;
  }
  t.size_ = static_cast<size_t>(LATHE_TRY(storage_bytes(type)));
  t.elements_ = type.shape.elements();
  auto memory = allocate(t.size_);
  if (!memory) return out_of_memory("{} bytes for a tensor {}", t.size_, type.to_string());
  if (type.layout == Layout::Blocked16) std::memset(memory.get(), 0, t.size_);
  t.data_ = memory.get();
  t.owner_ = std::move(memory);
  t.owned_ = true;
  return t;
}

Result<HostTensor> HostTensor::zeros(const TensorType& type) {
  HostTensor t = LATHE_TRY(make(type));
  if (t.size_ != 0) std::memset(t.mutable_bytes().data(), 0, t.size_);
  return t;
}

Result<HostTensor> HostTensor::view(const TensorType& type, std::span<const std::byte> bytes,
                                    std::shared_ptr<const void> owner) {
  if (type.absent()) return invalid("an absent tensor has no elements");
  int64_t size = LATHE_TRY(storage_bytes(type));
  if (static_cast<uint64_t>(size) != bytes.size()) {
    return invalid("{} takes {} bytes, not {}", type.to_string(), size, bytes.size());
  }
  bool strange = has_strange_bool(type.dtype, bytes);
  if (strange || !is_aligned(bytes.data(), type.dtype)) {
    HostTensor copy = LATHE_TRY(make(type));
    std::span<std::byte> to = copy.mutable_bytes();
    std::copy(bytes.begin(), bytes.end(), to.begin());
    if (strange) {
      for (std::byte& b : to) b = std::min(b, std::byte{1});
    }
    return copy;
  }
  HostTensor t;
  t.type_ = type;
  t.elements_ = type.shape.elements();
  t.data_ = bytes.data();
  t.size_ = bytes.size();
  t.owner_ = std::move(owner);
  return t;
}

HostTensor HostTensor::strings(std::vector<int64_t> sizes, std::vector<std::string> values) {
  HostTensor t;
  t.type_ = {DType::String, Shape::of(sizes)};
  t.elements_ = t.type_.shape.elements();
  LATHE_CHECK(static_cast<size_t>(t.elements_) == values.size());
  t.strings_ = std::make_shared<std::vector<std::string>>(std::move(values));
  return t;
}

std::span<std::byte> HostTensor::mutable_bytes() {
  if (!owned_ || owner_.use_count() != 1) {
    auto memory = allocate(size_);
    if (!memory) throw std::bad_alloc();
    if (size_ != 0) std::memcpy(memory.get(), data_, size_);
    data_ = memory.get();
    owner_ = std::move(memory);
    owned_ = true;
  }
  return {const_cast<std::byte*>(data_), size_};
}

double HostTensor::get_f64(int64_t index) const {
  LATHE_CHECK(index >= 0 && index < elements_);
  return load_f64(dtype(), data_, index);
}

int64_t HostTensor::get_i64(int64_t index) const {
  LATHE_CHECK(index >= 0 && index < elements_);
  return load_i64(dtype(), data_, index);
}

void HostTensor::set_f64(int64_t index, double value) {
  LATHE_CHECK(index >= 0 && index < elements_);
  store_f64(dtype(), mutable_bytes().data(), index, value);
}

void HostTensor::set_i64(int64_t index, int64_t value) {
  LATHE_CHECK(index >= 0 && index < elements_);
  store_i64(dtype(), mutable_bytes().data(), index, value);
}

std::vector<double> HostTensor::to_f64() const {
  std::vector<double> out(static_cast<size_t>(elements_));
  for (int64_t i = 0; i < elements_; ++i) out[static_cast<size_t>(i)] = get_f64(i);
  return out;
}

std::vector<int64_t> HostTensor::to_i64() const {
  std::vector<int64_t> out(static_cast<size_t>(elements_));
  for (int64_t i = 0; i < elements_; ++i) out[static_cast<size_t>(i)] = get_i64(i);
  return out;
}

HostTensor HostTensor::reshaped(Shape shape) const {
  LATHE_CHECK(type_.layout == Layout::RowMajor && shape.elements() == elements_);
  HostTensor t = *this;
  t.type_.shape = std::move(shape);
  return t;
}

bool operator==(const HostTensor& a, const HostTensor& b) {
  if (!(a.type_ == b.type_)) return false;
  if (a.strings_ || b.strings_) return a.strings_ && b.strings_ && *a.strings_ == *b.strings_;
  return a.size_ == b.size_ && (a.size_ == 0 || std::memcmp(a.data_, b.data_, a.size_) == 0);
}

uint64_t HostTensor::hash() const {
  Hasher h;
  h.add(type_.to_string()).add(bytes());
  if (strings_) {
    for (const std::string& s : *strings_) h.add(s);
  }
  return h.finish64();
}

}  // namespace lathe
