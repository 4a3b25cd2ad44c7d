// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tensors that a model keeps in other files, which are opened beneath the model's folder and
// nowhere else, whatever the model says. Each file is mapped once; tensors borrow the mapping.
#include <map>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/status.h"
#include "tensor/host_tensor.h"

namespace lathe_onnx {
class TensorProto;
}

namespace lathe {

class ExternalData {
 public:
  // `folder` empty: the current one.
  static Result<ExternalData> beneath(const std::string& folder);

  // The elements that `proto`'s external_data entries point to.
  Result<HostTensor> read(const lathe_onnx::TensorProto& proto, const TensorType& type) const;

 private:
  explicit ExternalData(FolderFd folder) : folder_(std::move(folder)) {}
  Result<std::shared_ptr<const MappedFile>> map(const std::string& location) const;

  FolderFd folder_;
  mutable std::map<std::string, std::shared_ptr<const MappedFile>> open_;
};

}  // namespace lathe
