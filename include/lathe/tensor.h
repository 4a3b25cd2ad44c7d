// SPDX-License-Identifier: Apache-2.0
#pragma once
// A tensor in host memory as the public API passes it: a type, sizes, bytes. A value; copies are
// deep. Strings and sub-byte types are read and printed, not computed on.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "lathe/export.h"
#include "lathe/status.h"

namespace lathe {

enum class Type : uint8_t {
  F32,
  F64,
  F16,
  BF16,
  I8,
  I16,
  I32,
  I64,
  U8,
  U16,
  U32,
  U64,
  Bool,
  String,
  C64,
  C128,
  F8E4M3FN,
  F8E4M3FNUZ,
  F8E5M2,
  F8E5M2FNUZ,
  F8E8M0,
  F4E2M1,
  I4,
  U4,
  I2,
  U2,
};
LATHE_API const char* to_string(Type type);  // "f32"

template <class T>
struct TypeOf;
template <>
struct TypeOf<float> {
  static constexpr Type value = Type::F32;
};
template <>
struct TypeOf<double> {
  static constexpr Type value = Type::F64;
};
template <>
struct TypeOf<int8_t> {
  static constexpr Type value = Type::I8;
};
template <>
struct TypeOf<int16_t> {
  static constexpr Type value = Type::I16;
};
template <>
struct TypeOf<int32_t> {
  static constexpr Type value = Type::I32;
};
template <>
struct TypeOf<int64_t> {
  static constexpr Type value = Type::I64;
};
template <>
struct TypeOf<uint8_t> {
  static constexpr Type value = Type::U8;
};
template <>
struct TypeOf<uint16_t> {
  static constexpr Type value = Type::U16;
};
template <>
struct TypeOf<uint32_t> {
  static constexpr Type value = Type::U32;
};
template <>
struct TypeOf<uint64_t> {
  static constexpr Type value = Type::U64;
};
template <>
struct TypeOf<bool> {
  static constexpr Type value = Type::Bool;
};

class LATHE_API Tensor {
 public:
  Tensor() = default;
  // Zero-filled. Fails when the size overflows or memory is short.
  static Result<Tensor> make(Type type, std::vector<int64_t> sizes);
  template <class T>
  static Tensor of(std::vector<int64_t> sizes, std::span<const T> values) {
    Result<Tensor> t = make(TypeOf<T>::value, std::move(sizes));
    if (!t.ok() || t->bytes().size() != values.size_bytes()) return {};
    std::memcpy(t->mutable_bytes().data(), values.data(), values.size_bytes());
    return *std::move(t);
  }

  Type type() const { return type_; }
  const std::vector<int64_t>& shape() const { return shape_; }
  int64_t elements() const;
  std::span<const std::byte> bytes() const { return bytes_; }
  std::span<std::byte> mutable_bytes() { return bytes_; }
  template <class T>
  std::span<const T> data() const {
    return {reinterpret_cast<const T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }
  const std::vector<std::string>& strings() const { return strings_; }
  // What a .pb file calls it; empty when it is called nothing.
  const std::string& name() const { return name_; }
  std::vector<double> to_doubles() const;  // any real type; of strings and complex numbers: nothing
  // The same values in another numeric type: rounded to nearest, integers saturated.
  Result<Tensor> converted(Type type) const;

 private:
  friend struct TensorAccess;
  Type type_ = Type::F32;
  std::vector<int64_t> shape_;
  std::vector<std::byte> bytes_;
  std::vector<std::string> strings_;
  std::string name_;
};

// `.npy` (NumPy) and `.pb` (ONNX TensorProto) files; the content decides, not the name.
LATHE_API Result<Tensor> read_tensor(const std::string& path);
// .npy or .pb by the ending, InvalidInput for another one; written beside and renamed.
LATHE_API Status write_tensor(const std::string& path, const Tensor& tensor);

}  // namespace lathe
