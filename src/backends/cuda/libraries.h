// SPDX-License-Identifier: Apache-2.0
#pragma once
// One device's handles of cuBLASLt and cuDNN, opened when first asked for.
#include <memory>
#include <mutex>
#include <string>

#include "backends/cuda/api/cublaslt.h"
#include "backends/cuda/api/cudnn.h"
#include "backends/cuda/context.h"

namespace lathe::cuda {

class Libraries {
 public:
  explicit Libraries(std::shared_ptr<const Context> context) : context_(std::move(context)) {}
  ~Libraries();
  Libraries(const Libraries&) = delete;
  Libraries& operator=(const Libraries&) = delete;

  // Opened once; a failure stays. The handles live as long as this.
  Result<cublasLtHandle_t> cublaslt();
  // cuDNN's handle belongs to one thread at a time: hold the lock from setting its stream until the
  // call has returned. (A load that tries a launch takes it twice.)
  Result<cudnnHandle_t> cudnn();
  std::recursive_mutex& cudnn_lock() { return cudnn_lock_; }

  // "cudnn 9.19.0, cublaslt 13.1.0": what is there, for DeviceInfo.
  static std::string describe();

 private:
  std::shared_ptr<const Context> context_;
  std::mutex lock_;
  std::recursive_mutex cudnn_lock_;
  OwnedCublasLt cublaslt_;
  OwnedCudnn cudnn_;
};

}  // namespace lathe::cuda
