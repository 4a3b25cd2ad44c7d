// SPDX-License-Identifier: Apache-2.0
#include "array_view.h"

#include <nanobind/stl/string.h>

#include <array>
#include <cstring>

#include "raise.h"

namespace nb = nanobind;

namespace lathe::python {
namespace {

struct Named {
  const char* name;
  Type type;
  size_t bytes;
};

// The last ones NumPy knows through ml_dtypes.
constexpr Named kTypes[] = {
    {"float32", Type::F32, 4},
    {"float64", Type::F64, 8},
    {"float16", Type::F16, 2},
    {"bfloat16", Type::BF16, 2},
    {"int8", Type::I8, 1},
    {"int16", Type::I16, 2},
    {"int32", Type::I32, 4},
    {"int64", Type::I64, 8},
    {"uint8", Type::U8, 1},
    {"uint16", Type::U16, 2},
    {"uint32", Type::U32, 4},
    {"uint64", Type::U64, 8},
    {"bool", Type::Bool, 1},
    {"complex64", Type::C64, 8},
    {"complex128", Type::C128, 16},
    {"float8_e4m3fn", Type::F8E4M3FN, 1},
    {"float8_e5m2", Type::F8E5M2, 1},
    {"float8_e4m3fnuz", Type::F8E4M3FNUZ, 1},
    {"float8_e8m0fnu", Type::F8E8M0, 1},
    {"float8_e5m2fnuz", Type::F8E5M2FNUZ, 1},
};

std::optional<Type> integer(bool is_signed, size_t bytes) {
  switch (bytes) {
    case 1: return is_signed ? Type::I8 : Type::U8;
    case 2: return is_signed ? Type::I16 : Type::U16;
    case 4: return is_signed ? Type::I32 : Type::U32;
    case 8: return is_signed ? Type::I64 : Type::U64;
    default: return std::nullopt;
  }
}

// Of a format of Python's struct module, native byte order only.
std::optional<Type> type_of_format(const char* format, size_t bytes) {
  if (format == nullptr) return Type::U8;
  if (*format == '@' || *format == '=' || *format == '<') ++format;
  if (format[0] == 'Z' && format[2] == 0) return bytes == 8 ? Type::C64 : Type::C128;
  if (format[0] == 0 || format[1] != 0) return std::nullopt;
  if (std::strchr("bhilqn", *format) != nullptr) return integer(true, bytes);
  if (std::strchr("BHILQN", *format) != nullptr) return integer(false, bytes);
  switch (*format) {
    case 'f': return Type::F32;
    case 'd': return Type::F64;
    case 'e': return Type::F16;
    case '?': return Type::Bool;
    default: return std::nullopt;
  }
}

std::optional<Type> type_of_dlpack(nb::dlpack::dtype t) {
  using Code = nb::dlpack::dtype_code;
  if (t.lanes != 1) return std::nullopt;
  switch (static_cast<Code>(t.code)) {
    case Code::Int: return integer(true, t.bits / 8);
    case Code::UInt: return integer(false, t.bits / 8);
    case Code::Float: return t.bits == 32 ? Type::F32 : t.bits == 64 ? Type::F64 : Type::F16;
    case Code::Bfloat: return Type::BF16;
    case Code::Complex: return t.bits == 64 ? Type::C64 : Type::C128;
    case Code::Bool: return Type::Bool;
    case Code::Float8_E4M3FN: return Type::F8E4M3FN;
    case Code::Float8_E4M3FNUZ: return Type::F8E4M3FNUZ;
    case Code::Float8_E5M2: return Type::F8E5M2;
    case Code::Float8_E5M2FNUZ: return Type::F8E5M2FNUZ;
    case Code::Float8_E8M0FNU: return Type::F8E8M0;
    default: return std::nullopt;
  }
}

[[noreturn]] void no_such_type(nb::handle array) {
  const std::string type =
      nb::cast<std::string>(nb::str(nb::getattr(array, "dtype", array.type())));
  raise_input("arrays of " + type + " are not supported",
              "convert it to one of the type that the input declares: x.astype(...)");
}

}  // namespace

size_t item_bytes(Type type) {
  for (const Named& n : kTypes) {
    if (n.type == type) return n.bytes;
  }
  return 0;
}

const char* array_type_name(Type type) {
  for (const Named& n : kTypes) {
    if (n.type == type) return n.name;
  }
  return nullptr;
}

// CuPy's arrays have the protocol to refuse it with a message.
bool ArrayView::is_buffer(nb::handle array) {
  return PyObject_CheckBuffer(array.ptr()) != 0 && !nb::hasattr(array, "__cuda_array_interface__");
}

ArrayView::ArrayView(nb::handle array) {
  if (is_buffer(array)) {
    take_buffer(array);
  } else {
    take_dlpack(array);
  }
}

ArrayView::~ArrayView() {
  if (buffer_.obj != nullptr) PyBuffer_Release(&buffer_);
}

void ArrayView::take_buffer(nb::handle array) {
  if (PyObject_GetBuffer(array.ptr(), &buffer_, PyBUF_STRIDES | PyBUF_FORMAT) != 0) {
    PyErr_Clear();
    return take_foreign_type(array);
  }
  const std::optional<Type> type =
      type_of_format(buffer_.format, static_cast<size_t>(buffer_.itemsize));
  if (!type) {
    PyBuffer_Release(&buffer_);
    return take_foreign_type(array);
  }
  type_ = *type;
  item_ = static_cast<size_t>(buffer_.itemsize);
  data_ = buffer_.buf;
  shape_.assign(buffer_.shape, buffer_.shape + buffer_.ndim);
  strides_.assign(buffer_.strides, buffer_.strides + buffer_.ndim);
}

// NumPy does not export the types of ml_dtypes (bfloat16): seen as bytes of the same width.
void ArrayView::take_foreign_type(nb::handle array) {
  const std::string name = nb::cast<std::string>(
      nb::str(nb::getattr(nb::getattr(array, "dtype", array), "name", array)));
  for (const Named& n : kTypes) {
    if (name != n.name || !name.starts_with(n.bytes == 2 ? "bfloat" : "float8")) continue;
    keep_ = array.attr("view")(n.bytes == 2 ? "uint16" : "uint8");
    take_buffer(keep_);
    type_ = n.type;
    return;
  }
  no_such_type(array);
}

void ArrayView::take_dlpack(nb::handle array) {
  keep_ = nb::borrow(array);
  if (nb::getattr(array, "requires_grad", nb::bool_(false)).is(nb::bool_(true)))
    keep_ = array.attr("detach")();
  nb::ndarray<nb::ro> view;
  if (!nb::try_cast(keep_, view)) {
    const std::string type = nb::cast<std::string>(nb::str(array.type()));
    throw nb::type_error((type + " is no array: it has neither buffer nor DLPack").c_str());
  }
  const std::optional<Type> type = type_of_dlpack(view.dtype());
  if (!type) no_such_type(array);
  type_ = *type;
  item_ = static_cast<size_t>(view.dtype().bits) / 8;
  data_ = const_cast<void*>(view.data());
  for (size_t d = 0; d < view.ndim(); ++d) {
    shape_.push_back(static_cast<int64_t>(view.shape(d)));
    strides_.push_back(view.stride(d) * static_cast<int64_t>(item_));
  }
  const bool host = view.device_type() == nb::device::cpu::value ||
                    view.device_type() == nb::device::cuda_host::value;
  device_ = host ? -1 : view.device_id();
  dlpack_ = std::move(view);
}

size_t ArrayView::bytes() const {
  size_t count = item_;
  for (const int64_t s : shape_) count *= static_cast<size_t>(s);
  return count;
}

bool ArrayView::dense() const {
  auto expected = static_cast<int64_t>(item_);
  for (size_t d = shape_.size(); d-- > 0;) {
    if (shape_[d] == 0) return true;
    if (shape_[d] != 1 && strides_[d] != expected) return false;
    expected *= shape_[d];
  }
  return true;
}

}  // namespace lathe::python
