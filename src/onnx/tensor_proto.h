// SPDX-License-Identifier: Apache-2.0
#pragma once
// TensorProto bytes (the `.pb` files of test data, and the initializers of models) to HostTensor
// and back. Every ONNX element type; lengths are checked against the dimensions before memory is
// taken.
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "tensor/host_tensor.h"

namespace lathe_onnx {
class TensorProto;
}

namespace lathe {

class ExternalData;

struct NamedTensor {
  std::string name;
  HostTensor value;
};

Result<NamedTensor> read_named_tensor_proto(std::span<const std::byte> bytes);
Result<HostTensor> read_tensor_proto(std::span<const std::byte> bytes);
std::string write_tensor_proto(const HostTensor& tensor, std::string_view name = "");

// The type that the message claims: dimensions and element type checked, nothing read.
Result<TensorType> tensor_proto_type(const lathe_onnx::TensorProto& proto);
// Reads the elements; `external` null refuses tensors kept in other files. Takes the message's
// raw bytes instead of copying them.
Result<HostTensor> take_tensor_proto(lathe_onnx::TensorProto& proto, const ExternalData* external);
// The same without changing the message.
Result<HostTensor> copy_tensor_proto(const lathe_onnx::TensorProto& proto,
                                     const ExternalData* external);

}  // namespace lathe
