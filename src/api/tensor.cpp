// SPDX-License-Identifier: Apache-2.0
#include "lathe/tensor.h"

#include <new>

#include "api/api_state.h"
#include "base/math.h"

namespace lathe {
namespace {

struct TypePair {
  Type shown;
  DType ours;
};
constexpr TypePair kTypes[] = {
    {Type::F32, DType::F32},
    {Type::F64, DType::F64},
    {Type::F16, DType::F16},
    {Type::BF16, DType::BF16},
    {Type::I8, DType::I8},
    {Type::I16, DType::I16},
    {Type::I32, DType::I32},
    {Type::I64, DType::I64},
    {Type::U8, DType::U8},
    {Type::U16, DType::U16},
    {Type::U32, DType::U32},
    {Type::U64, DType::U64},
    {Type::Bool, DType::Bool},
    {Type::String, DType::String},
    {Type::C64, DType::C64},
    {Type::C128, DType::C128},
    {Type::F8E4M3FN, DType::F8E4M3FN},
    {Type::F8E4M3FNUZ, DType::F8E4M3FNUZ},
    {Type::F8E5M2, DType::F8E5M2},
    {Type::F8E5M2FNUZ, DType::F8E5M2FNUZ},
    {Type::F8E8M0, DType::F8E8M0},
    {Type::F4E2M1, DType::F4E2M1},
    {Type::I4, DType::I4},
    {Type::U4, DType::U4},
    {Type::I2, DType::I2},
    {Type::U2, DType::U2},
};

}  // namespace

Type to_public(DType type) {
  for (const TypePair& p : kTypes) {
    if (p.ours == type) return p.shown;
  }
  return Type::F32;
}

DType to_internal(Type type) {
  for (const TypePair& p : kTypes) {
    if (p.shown == type) return p.ours;
  }
  return DType::None;
}

const char* to_string(Type type) { return to_string(to_internal(type)).data(); }

Result<Tensor> Tensor::make(Type type, std::vector<int64_t> sizes) {
  for (int64_t s : sizes) {
    if (s < 0) return invalid("a tensor has a negative size {}", s);
  }
  const Shape shape = LATHE_TRY(Shape::of(sizes).evaluate({}));
  Tensor t;
  t.type_ = type;
  t.shape_ = std::move(sizes);
  try {
    if (type == Type::String) {
      t.strings_.resize(static_cast<size_t>(shape.elements()));
    } else {
      t.bytes_.resize(static_cast<size_t>(LATHE_TRY(storage_bytes({to_internal(type), shape}))));
    }
  } catch (const std::exception&) {
    return out_of_memory("a tensor {}{} does not fit in memory", to_string(type),
                         shape.to_string());
  }
  return t;
}

int64_t Tensor::elements() const {
  int64_t n = 1;
  for (int64_t s : shape_) n *= s;
  return n;
}

std::vector<double> Tensor::to_doubles() const {
  Result<HostTensor> t = TensorAccess::to(*this);
  const bool numeric = type_ != Type::String && type_ != Type::C64 && type_ != Type::C128;
  return t.ok() && numeric ? t->to_f64() : std::vector<double>();
}

Result<Tensor> Tensor::converted(Type type) const {
  if (type == type_) return *this;
  if (type == Type::String || type_ == Type::String)
    return unsupported("strings do not convert to numbers");
  const HostTensor from = LATHE_TRY(TensorAccess::to(*this));
  HostTensor to = LATHE_TRY(HostTensor::make({to_internal(type), from.shape()}));
  if (!is_computable(from.dtype()) || !is_computable(to.dtype())) {
    return unsupported("{} does not convert to {}", to_string(type_), to_string(type));
  }
  for (int64_t i = 0; i < from.elements(); ++i) to.set_f64(i, from.get_f64(i));
  return TensorAccess::from(to);
}

Tensor TensorAccess::from(const HostTensor& tensor) {
  Tensor t;
  t.type_ = to_public(tensor.dtype());
  t.shape_ = tensor.shape().sizes();
  if (tensor.dtype() == DType::String) {
    t.strings_ = tensor.string_values();
  } else {
    t.bytes_.assign(tensor.bytes().begin(), tensor.bytes().end());
  }
  return t;
}

Result<HostTensor> TensorAccess::to(const Tensor& tensor) {
  if (tensor.type_ == Type::String) return HostTensor::strings(tensor.shape_, tensor.strings_);
  HostTensor t = LATHE_TRY(HostTensor::make({to_internal(tensor.type_), Shape::of(tensor.shape_)}));
  if (t.bytes().size() != tensor.bytes_.size()) {
    return invalid("a tensor of {} has {} bytes, expected {}", t.type().to_string(),
                   tensor.bytes_.size(), t.bytes().size());
  }
  if (!tensor.bytes_.empty())
    std::memcpy(t.mutable_bytes().data(), tensor.bytes_.data(), tensor.bytes_.size());
  return t;
}

}  // namespace lathe
