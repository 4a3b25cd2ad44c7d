// SPDX-License-Identifier: Apache-2.0
#pragma once
// A concrete tensor in host memory. Copies share the bytes; `mutable_bytes` of a shared tensor
// copies first, so a HostTensor is a value. Sub-byte elements are packed, low bits first (ONNX).
//
//   HostTensor t = HostTensor::of<float>({2, 2}, {1, 2, 3, 4});
//   t.span<float>()[3]                               // 4
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/shape.h"

namespace lathe {

class HostTensor {
 public:
  HostTensor() = default;
  // Uninitialised (strings: empty). Fails when the size overflows or memory is short.
  static Result<HostTensor> make(const TensorType& concrete_type);
  static Result<HostTensor> zeros(const TensorType& concrete_type);
  // Borrows `bytes`, which `owner` keeps alive (null: the caller does). Size must match.
  static Result<HostTensor> view(const TensorType& type, std::span<const std::byte> bytes,
                                 std::shared_ptr<const void> owner);
  template <class T>
  static HostTensor of(std::vector<int64_t> sizes, std::initializer_list<T> values) {
    return of(std::move(sizes), std::span<const T>(values.begin(), values.size()));
  }
  template <class T>
  static HostTensor of(std::vector<int64_t> sizes, std::span<const T> values) {
    HostTensor t = *make({dtype_of<T>(), Shape::of(sizes)});
    LATHE_CHECK(static_cast<size_t>(t.elements()) == values.size());
    std::copy(values.begin(), values.end(), t.mutable_span<T>().begin());
    return t;
  }
  static HostTensor strings(std::vector<int64_t> sizes, std::vector<std::string> values);
  template <class T>
  static HostTensor scalar(T value) {
    return of<T>({}, {value});
  }

  bool empty() const { return type_.absent(); }  // no tensor at all
  const TensorType& type() const { return type_; }
  DType dtype() const { return type_.dtype; }
  const Shape& shape() const { return type_.shape; }
  int64_t elements() const { return elements_; }

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::span<std::byte> mutable_bytes();
  template <class T>
  std::span<const T> span() const {
    LATHE_CHECK(type_.dtype == dtype_of<T>());
    return {reinterpret_cast<const T*>(data_), static_cast<size_t>(elements_)};
  }
  template <class T>
  std::span<T> mutable_span() {
    LATHE_CHECK(type_.dtype == dtype_of<T>());
    return {reinterpret_cast<T*>(mutable_bytes().data()), static_cast<size_t>(elements_)};
  }
  const std::vector<std::string>& string_values() const { return *strings_; }

  // One element converted, by linear index; computable and small-float types.
  double get_f64(int64_t index) const;
  int64_t get_i64(int64_t index) const;
  // Rounds to the element type; integers saturate, bool is != 0.
  void set_f64(int64_t index, double value);
  void set_i64(int64_t index, int64_t value);

  std::vector<double> to_f64() const;
  std::vector<int64_t> to_i64() const;

  // Same elements, another shape of equal count.
  HostTensor reshaped(Shape shape) const;
  // Values bitwise equal and types equal.
  friend bool operator==(const HostTensor& a, const HostTensor& b);
  uint64_t hash() const;  // of type and bytes

  // "f32[2] {1, 2}"; long ones abbreviated unless `full`. parse reads the full form.
  std::string to_string(bool full = false) const;
  static Result<HostTensor> parse(std::string_view text);

 private:
  TensorType type_;
  int64_t elements_ = 0;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  std::shared_ptr<const void> owner_;
  bool owned_ = false;  // owner_ is memory of ours, writable when not shared
  std::shared_ptr<std::vector<std::string>> strings_;
};

}  // namespace lathe
