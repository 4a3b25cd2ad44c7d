// SPDX-License-Identifier: Apache-2.0
#pragma once
// ONNX TensorProto files for read_tensor and write_tensor. lathe-runtime, which has no protobuf,
// has the functions of runtime/tensor_pb.cpp, which refuse.
#include <cstddef>
#include <span>
#include <string>

#include "lathe/tensor.h"

namespace lathe {

class HostTensor;

Result<Tensor> read_pb(std::span<const std::byte> bytes);
Result<std::string> write_pb(const HostTensor& tensor);

}  // namespace lathe
