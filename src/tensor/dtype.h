// SPDX-License-Identifier: Apache-2.0
#pragma once
// Element types: every one that ONNX has. dtypes.def is the list; the facts below come from it.
//
//   visit_number(t.dtype, [&]<class T>() { for (T& v : x.span<T>()) v = T(0); });
#include <cstdint>
#include <string_view>

#include "base/status.h"
#include "tensor/half.h"

namespace lathe {

enum class DType : uint8_t {
#define DTYPE(name, text, bits, kind, onnx) name,
#include "tensor/dtypes.def"
#undef DTYPE
};

enum class DKind : uint8_t { Float, Int, Uint, Bool, Complex, Other };

std::string_view to_string(DType t);               // "f32"
Result<DType> parse_dtype(std::string_view text);  // the inverse
int bits(DType t);                                 // 0 for None and String
DKind kind(DType t);
Result<DType> dtype_from_onnx(int64_t data_type);  // TensorProto.DataType
int onnx_code(DType t);

inline bool is_float(DType t) { return kind(t) == DKind::Float; }
inline bool is_int(DType t) { return kind(t) == DKind::Int || kind(t) == DKind::Uint; }
// Whole-byte numbers and bool: what kernels compute on. Strings, complex and sub-byte types are
// parsed, printed and stored only.
bool is_computable(DType t);
// Bytes of `count` elements, sub-byte types packed; LATHE_CHECKs against String. Callers have
// bounded count with Shape::elements.
int64_t bytes(DType t, int64_t count);

template <class T>
constexpr DType dtype_of();  // DType of a C++ type; bool is stored as one byte

// Calls f.operator()<T>() with the C++ type of a computable dtype; f must accept
// double float Half BFloat16 int8..int64 uint8..uint64 bool. LATHE_CHECKs computability.
template <class F>
decltype(auto) visit_number(DType t, F&& f) {
  switch (t) {
    case DType::F64: return f.template operator()<double>();
    case DType::F16: return f.template operator()<Half>();
    case DType::BF16: return f.template operator()<BFloat16>();
    case DType::I8: return f.template operator()<int8_t>();
    case DType::I16: return f.template operator()<int16_t>();
    case DType::I32: return f.template operator()<int32_t>();
    case DType::I64: return f.template operator()<int64_t>();
    case DType::U8: return f.template operator()<uint8_t>();
    case DType::U16: return f.template operator()<uint16_t>();
    case DType::U32: return f.template operator()<uint32_t>();
    case DType::U64: return f.template operator()<uint64_t>();
    case DType::Bool: return f.template operator()<bool>();
    default: LATHE_CHECK(t == DType::F32); return f.template operator()<float>();
  }
}

template <>
constexpr DType dtype_of<float>() {
  return DType::F32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::F64;
}
template <>
constexpr DType dtype_of<Half>() {
  return DType::F16;
}
template <>
constexpr DType dtype_of<BFloat16>() {
  return DType::BF16;
}
template <>
constexpr DType dtype_of<int8_t>() {
  return DType::I8;
}
template <>
constexpr DType dtype_of<int16_t>() {
  return DType::I16;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::I32;
}
template <>
constexpr DType dtype_of<int64_t>() {
  return DType::I64;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::U8;
}
template <>
constexpr DType dtype_of<uint16_t>() {
  return DType::U16;
}
template <>
constexpr DType dtype_of<uint32_t>() {
  return DType::U32;
}
template <>
constexpr DType dtype_of<uint64_t>() {
  return DType::U64;
}
template <>
constexpr DType dtype_of<bool>() {
  return DType::Bool;
}

}  // namespace lathe
