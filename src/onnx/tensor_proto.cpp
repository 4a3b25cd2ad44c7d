// SPDX-License-Identifier: Apache-2.0
#include "onnx/tensor_proto.h"

#include <climits>
#include <cstring>
#include <optional>

#include "onnx/external_data.h"
#include "onnx/names.h"
#include "onnx/onnx.pb.h"
#include "onnx/type_proto.h"

namespace lathe {
namespace {

using lathe_onnx::TensorProto;

// Which field holds a type's elements when raw_data does not.
enum class Field { Float, Int32, Int64, Double, Uint64, String };

Field field_of(DType t) {
  switch (t) {
    case DType::F32:
    case DType::C64: return Field::Float;
    case DType::F64:
    case DType::C128: return Field::Double;
    case DType::I64: return Field::Int64;
    case DType::U32:
    case DType::U64: return Field::Uint64;
    case DType::String: return Field::String;
    default: return Field::Int32;
  }
}

int64_t field_size(const TensorProto& p, Field field) {
  switch (field) {
    case Field::Float: return p.float_data_size();
    case Field::Int32: return p.int32_data_size();
    case Field::Int64: return p.int64_data_size();
    case Field::Double: return p.double_data_size();
    case Field::Uint64: return p.uint64_data_size();
    default: return p.string_data_size();
  }
}

// How many entries of its field `elements` elements take: sub-byte types are packed into bytes,
// complex numbers are pairs.
int64_t entries(DType t, int64_t elements) {
  if (kind(t) == DKind::Complex) return 2 * elements;
  if (bits(t) > 0 && bits(t) < 8) return (elements * bits(t) + 7) / 8;
  return elements;
}

template <class To, class From>
void store(std::span<std::byte> to, const From& values) {
  for (int k = 0; k < values.size(); ++k) {
    To v = static_cast<To>(values[k]);
    std::memcpy(to.data() + static_cast<size_t>(k) * sizeof(To), &v, sizeof(To));
  }
}

void store_int32(std::span<std::byte> to, DType t, const TensorProto& p) {
  if (t == DType::Bool) {
    for (int k = 0; k < p.int32_data_size(); ++k) {
      to[static_cast<size_t>(k)] = p.int32_data(k) != 0 ? std::byte{1} : std::byte{0};
    }
    return;
  }
  switch (bits(t)) {
    case 32: return store<int32_t>(to, p.int32_data());
    case 16: return store<uint16_t>(to, p.int32_data());
    default: return store<uint8_t>(to, p.int32_data());
  }
}

void store_field(std::span<std::byte> to, DType t, const TensorProto& p) {
  switch (field_of(t)) {
    case Field::Float: return store<float>(to, p.float_data());
    case Field::Double: return store<double>(to, p.double_data());
    case Field::Int64: return store<int64_t>(to, p.int64_data());
    case Field::Uint64:
      return t == DType::U32 ? store<uint32_t>(to, p.uint64_data())
                             : store<uint64_t>(to, p.uint64_data());
    default: return store_int32(to, t, p);
  }
}

// Exactly one place may hold the elements.
Status check_payload(const TensorProto& p, DType t) {
  int places = 0;
  for (int64_t n :
       {static_cast<int64_t>(p.raw_data().size()), static_cast<int64_t>(p.float_data_size()),
        static_cast<int64_t>(p.int32_data_size()), static_cast<int64_t>(p.int64_data_size()),
        static_cast<int64_t>(p.double_data_size()), static_cast<int64_t>(p.uint64_data_size()),
        static_cast<int64_t>(p.string_data_size())}) {
    places += n > 0 ? 1 : 0;
  }
  if (places > 1) return invalid("the elements are given twice");
  if (p.has_segment()) return unsupported("segmented tensors are not implemented");
  if (t == DType::String && p.has_raw_data()) return invalid("strings cannot be raw data");
  return {};
}

Result<HostTensor> read_strings(const TensorProto& p, const TensorType& type) {
  if (p.string_data_size() != type.shape.elements()) {
    return invalid("{} strings for {}", p.string_data_size(), type.to_string());
  }
  std::vector<std::string> values(p.string_data().begin(), p.string_data().end());
  return HostTensor::strings(type.shape.sizes(), std::move(values));
}

Result<HostTensor> read_field(const TensorProto& p, const TensorType& type) {
  const int64_t have = field_size(p, field_of(type.dtype));
  const int64_t want = entries(type.dtype, type.shape.elements());
  if (have != want) {
    return invalid("{} values for {}, which takes {}", have, type.to_string(), want);
  }
  HostTensor t = LATHE_TRY(HostTensor::make(type));
  if (have > 0) store_field(t.mutable_bytes(), type.dtype, p);
  return t;
}

std::span<const std::byte> as_bytes(const std::string& s) {
  return std::as_bytes(std::span<const char>(s.data(), s.size()));
}

// `raw` holds p's raw data when p may not be asked for it any more.
Result<HostTensor> read_elements(const TensorProto& p, const ExternalData* external,
                                 std::shared_ptr<std::string> raw) {
  const TensorType type = LATHE_TRY(tensor_proto_type(p));
  if (p.data_location() == 1) {
    if (!external) return invalid("the elements are in another file, and none may be read here");
    return external->read(p, type);
  }
  if (p.data_location() != 0) return invalid("unknown data location {}", p.data_location());
  if (type.dtype == DType::String) return read_strings(p, type);
  if (!raw && !p.has_raw_data()) return read_field(p, type);
  if (!raw) raw = std::make_shared<std::string>(p.raw_data());
  auto bytes = as_bytes(*raw);
  return HostTensor::view(type, bytes, std::move(raw));
}

Status located(Status s, const TensorProto& p) {
  return std::move(s).at(fmt::format("tensor '{}'", printable(p.name())));
}

Result<TensorType> checked_type(const TensorProto& p) {
  TensorType type;
  type.dtype = LATHE_TRY(dtype_from_onnx(p.data_type()));
  if (type.absent()) return invalid("the element type is undefined");
  if (p.dims_size() > kMaxRank) return invalid("rank {} is above {}", p.dims_size(), kMaxRank);
  int64_t product = 1;
  for (int64_t d : p.dims()) {
    if (d < 0) return invalid("negative dimension {}", d);
    type.shape.push_back(d);
    if (d != 0 && product > kMaxElements / d) {
      return invalid("the dimensions {} are too large", type.shape.to_string());
    }
    product *= d == 0 ? 1 : d;
  }
  return type;
}

}  // namespace

Result<TensorType> tensor_proto_type(const TensorProto& p) {
  Result<TensorType> type = checked_type(p);
  if (!type.ok()) return located(std::move(type).status(), p);
  if (Status s = check_payload(p, type->dtype); !s.ok()) return located(std::move(s), p);
  return type;
}

Result<HostTensor> copy_tensor_proto(const TensorProto& p, const ExternalData* external) {
  Result<HostTensor> t = read_elements(p, external, nullptr);
  if (!t.ok()) return located(std::move(t).status(), p);
  return t;
}

Result<HostTensor> take_tensor_proto(TensorProto& p, const ExternalData* external) {
  LATHE_TRY(tensor_proto_type(p));
  std::shared_ptr<std::string> raw;
  if (p.has_raw_data() && p.data_location() == 0) raw.reset(p.release_raw_data());
  Result<HostTensor> t = read_elements(p, external, std::move(raw));
  if (!t.ok()) return located(std::move(t).status(), p);
  return t;
}

Result<NamedTensor> read_named_tensor_proto(std::span<const std::byte> bytes) {
  TensorProto p;
  if (bytes.size() > INT_MAX || !p.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return invalid("not a TensorProto");
  }
  std::string name = p.name();
  HostTensor value = LATHE_TRY(take_tensor_proto(p, nullptr));
  return NamedTensor{std::move(name), std::move(value)};
}

Result<HostTensor> read_tensor_proto(std::span<const std::byte> bytes) {
  return LATHE_TRY(read_named_tensor_proto(bytes)).value;
}

std::string write_tensor_proto(const HostTensor& tensor, std::string_view name) {
  TensorProto p;
  for (int64_t d : tensor.shape().sizes()) p.add_dims(d);
  p.set_data_type(onnx_code(tensor.dtype()));
  if (!name.empty()) p.set_name(std::string(name));
  if (tensor.dtype() == DType::String) {
    for (const std::string& s : tensor.string_values()) p.add_string_data(s);
  } else {
    p.set_raw_data(tensor.bytes().data(), tensor.bytes().size());
  }
  return p.SerializeAsString();
}

}  // namespace lathe
