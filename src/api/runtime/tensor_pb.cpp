// SPDX-License-Identifier: Apache-2.0
// lathe-runtime reads and writes .npy alone: it contains no protobuf.
#include "api/tensor_pb.h"

#include "base/status.h"
#include "tensor/host_tensor.h"

namespace lathe {

Result<Tensor> read_pb(std::span<const std::byte>) {
  return unsupported("it is no .npy file, and lathe-runtime reads no other");
}

Result<std::string> write_pb(const HostTensor&) {
  return unsupported("lathe-runtime writes .npy files only");
}

}  // namespace lathe
