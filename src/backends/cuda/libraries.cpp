// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/libraries.h"

namespace lathe::cuda {

Libraries::~Libraries() {
  ContextScope scope(*context_);
  cudnn_.reset();
  cublaslt_.reset();
}

Result<cublasLtHandle_t> Libraries::cublaslt() {
  const CublasLt& lt = *LATHE_TRY(CublasLt::open());
  std::lock_guard lock(lock_);
  ContextScope scope(*context_);
  if (!cublaslt_) LATHE_TRY(check(lt.cublasLtCreate(cublaslt_.out()), "cublasLtCreate"));
  return cublaslt_.get();
}

Result<cudnnHandle_t> Libraries::cudnn() {
  const Cudnn& dnn = *LATHE_TRY(Cudnn::open());
  std::lock_guard lock(lock_);
  ContextScope scope(*context_);
  if (!cudnn_) LATHE_TRY(check(dnn.cudnnCreate(cudnn_.out()), "cudnnCreate"));
  return cudnn_.get();
}

std::string Libraries::describe() {
  std::string text;
  if (Result<const Cudnn*> dnn = Cudnn::open(); dnn.ok()) {
    const size_t v = (*dnn)->version;  // 91900 is 9.19.0
    text += fmt::format("cudnn {}.{}.{}", v / 10000, v / 100 % 100, v % 100);
  }
  if (Result<const CublasLt*> lt = CublasLt::open(); lt.ok()) {
    const size_t v = (*lt)->version;  // 130002 is 13.0.2
    text += fmt::format("{}cublaslt {}.{}.{}", text.empty() ? "" : ", ", v / 10000, v / 100 % 100,
                        v % 100);
  }
  return text;
}

}  // namespace lathe::cuda
