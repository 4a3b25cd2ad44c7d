// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/api/cublaslt.h"

#include "backends/cuda/api/library.h"

namespace lathe::cuda {
namespace {

constexpr const char* kExpected = "cuBLASLt of CUDA 12 or newer";
constexpr const char* kCure =
    "pip install nvidia-cublas (or the CUDA toolkit) and let LATHE_CUDA_PATH name the folder of "
    "libcublasLt.so.*, or LATHE_CUBLASLT the file";

Code code_of(cublasStatus_t status) {
  switch (status) {
    case cublasStatus_t::Success: return Code::Ok;
    case cublasStatus_t::AllocFailed: return Code::OutOfMemory;
    case cublasStatus_t::ArchMismatch:
    case cublasStatus_t::NotSupported: return Code::Unsupported;
    case cublasStatus_t::ExecutionFailed: return Code::DeviceLost;
    default: return Code::Internal;
  }
}

// A library of CUDA 13 does not start on a driver for CUDA 12, so the driver's own goes first.
std::vector<const char*> names() {
  Result<const Driver*> cuda = Driver::open();
  if (cuda.ok() && (*cuda)->version < 13000) return {"libcublasLt.so.12", "libcublasLt.so.13"};
  return {"libcublasLt.so.13", "libcublasLt.so.12"};
}

Result<CublasLt> load() {
  Library library = LATHE_TRY(Library::open({"cuBLASLt", "LATHE_CUBLASLT", names(), kCure}));
  CublasLt lt;
#define FUNCTION(result, symbol, parameters) library.find(#symbol, lt.symbol);
#include "backends/cuda/api/cublaslt.def"
#undef FUNCTION
  if (Status s = library.complete(kExpected); !s.ok()) return std::move(s).with_cure(kCure);
  lt.version = lt.cublasLtGetVersion();
  return lt;
}

const CublasLt* loaded() noexcept {
  Result<const CublasLt*> lt = CublasLt::open();
  return lt.ok() ? *lt : nullptr;
}

}  // namespace

Result<const CublasLt*> CublasLt::open() {
  static const Result<CublasLt> lt = load();
  if (!lt.ok()) return lt.status();
  return &*lt;
}

Status check(cublasStatus_t status, std::string_view what) {
  if (status == cublasStatus_t::Success) return {};
  const CublasLt* lt = loaded();
  const char* name = lt ? lt->cublasLtGetStatusName(status) : nullptr;
  const unsigned number = static_cast<unsigned>(status);
  return Status(code_of(status), name ? fmt::format("{}: {}", what, name)
                                      : fmt::format("{}: cuBLAS error {}", what, number));
}

void destroy_cublaslt(cublasLtHandle_t handle) noexcept {
  if (auto* lt = loaded()) lt->cublasLtDestroy(handle);
}
void destroy_matrix_layout(cublasLtMatrixLayout_t layout) noexcept {
  if (auto* lt = loaded()) lt->cublasLtMatrixLayoutDestroy(layout);
}
void destroy_matmul_desc(cublasLtMatmulDesc_t product) noexcept {
  if (auto* lt = loaded()) lt->cublasLtMatmulDescDestroy(product);
}
void destroy_matmul_preference(cublasLtMatmulPreference_t preference) noexcept {
  if (auto* lt = loaded()) lt->cublasLtMatmulPreferenceDestroy(preference);
}

}  // namespace lathe::cuda
