// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/api/cudnn.h"

#include <string>

#include "backends/cuda/api/cublaslt.h"
#include "backends/cuda/api/library.h"

namespace lathe::cuda {
namespace {

constexpr const char* kExpected = "cuDNN 9";
constexpr const char* kCure =
    "pip install nvidia-cudnn-cu13 (or -cu12, as the driver says) and let LATHE_CUDA_PATH name the "
    "folder of libcudnn.so.9, or LATHE_CUDNN the file";

Code code_of(cudnnStatus_t status) {
  if (status == cudnnStatus_t::HostAllocationFailed ||
      status == cudnnStatus_t::DeviceAllocationFailed) {
    return Code::OutOfMemory;
  }
  switch (static_cast<unsigned>(status) / 1000) {
    case 0: return Code::Ok;
    case 3: return Code::Unsupported;
    case 5: return Code::DeviceLost;
    default: return Code::Internal;
  }
}

Result<Cudnn> load() {
  // cuDNN opens cuBLASLt by its bare name: where that lies in a folder of LATHE_CUDA_PATH, it is
  // found only because it is in the process already.
  (void)CublasLt::open();
  Library library = LATHE_TRY(Library::open({"cuDNN", "LATHE_CUDNN", {"libcudnn.so.9"}, kCure}));
  Cudnn dnn;
#define FUNCTION(result, symbol, parameters) library.find(#symbol, dnn.symbol);
#include "backends/cuda/api/cudnn.def"
#undef FUNCTION
  if (Status s = library.complete(kExpected); !s.ok()) return std::move(s).with_cure(kCure);
  dnn.version = dnn.cudnnGetVersion();
  return dnn;
}

const Cudnn* loaded() noexcept {
  Result<const Cudnn*> dnn = Cudnn::open();
  return dnn.ok() ? *dnn : nullptr;
}

// What cuDNN says about this thread's last error, on one line; it may say nothing.
std::string last_reason(const Cudnn& dnn) {
  char text[512] = {};
  dnn.cudnnGetLastErrorString(text, sizeof(text) - 1);
  std::string reason = text;
  for (char& c : reason) {
    if (c == '\n') c = ' ';
  }
  return reason;
}

}  // namespace

Result<const Cudnn*> Cudnn::open() {
  static const Result<Cudnn> dnn = load();
  if (!dnn.ok()) return dnn.status();
  return &*dnn;
}

Status check(cudnnStatus_t status, std::string_view what) {
  if (status == cudnnStatus_t::Success) return {};
  const Cudnn* dnn = loaded();
  if (!dnn) {
    return Status(code_of(status),
                  fmt::format("{}: cuDNN error {}", what, static_cast<unsigned>(status)));
  }
  const std::string reason = last_reason(*dnn);
  return Status(code_of(status), fmt::format("{}: {}{}{}", what, dnn->cudnnGetErrorString(status),
                                             reason.empty() ? "" : ": ", reason));
}

void destroy_cudnn(cudnnHandle_t handle) noexcept {
  if (auto* dnn = loaded()) dnn->cudnnDestroy(handle);
}
void destroy_tensor_descriptor(cudnnTensorDescriptor_t tensor) noexcept {
  if (auto* dnn = loaded()) dnn->cudnnDestroyTensorDescriptor(tensor);
}
void destroy_filter_descriptor(cudnnFilterDescriptor_t filter) noexcept {
  if (auto* dnn = loaded()) dnn->cudnnDestroyFilterDescriptor(filter);
}
void destroy_convolution_descriptor(cudnnConvolutionDescriptor_t conv) noexcept {
  if (auto* dnn = loaded()) dnn->cudnnDestroyConvolutionDescriptor(conv);
}
void destroy_activation_descriptor(cudnnActivationDescriptor_t activation) noexcept {
  if (auto* dnn = loaded()) dnn->cudnnDestroyActivationDescriptor(activation);
}
void destroy_pooling_descriptor(cudnnPoolingDescriptor_t pooling) noexcept {
  if (auto* dnn = loaded()) dnn->cudnnDestroyPoolingDescriptor(pooling);
}

}  // namespace lathe::cuda
