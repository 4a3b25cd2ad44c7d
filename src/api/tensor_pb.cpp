// SPDX-License-Identifier: Apache-2.0
#include "api/tensor_pb.h"

#include "api/api_state.h"
#include "onnx/tensor_proto.h"

namespace lathe {

Result<Tensor> read_pb(std::span<const std::byte> bytes) {
  NamedTensor t = LATHE_TRY(read_named_tensor_proto(bytes));
  Tensor tensor = TensorAccess::from(t.value);
  TensorAccess::set_name(tensor, std::move(t.name));
  return tensor;
}

Result<std::string> write_pb(const HostTensor& tensor) { return write_tensor_proto(tensor); }

}  // namespace lathe
