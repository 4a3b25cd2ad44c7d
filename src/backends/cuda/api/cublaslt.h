// SPDX-License-Identifier: Apache-2.0
#pragma once
// What Lathe calls of cuBLASLt, declared by us and loaded at run time: matrix products with an
// epilogue and a list of algorithms to choose from. Matrices are column-major unless ORDER says
// otherwise; device pointers pass as void*.
//
//   const CublasLt& lt = *LATHE_TRY(CublasLt::open());
//   OwnedMatmulDesc product;
//   LATHE_TRY(check(lt.cublasLtMatmulDescCreate(product.out(), cublasComputeType_t::F32,
//                                               cudaDataType_t::F32), "cublasLtMatmulDescCreate"));
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "backends/cuda/api/driver.h"
#include "backends/cuda/api/owned.h"
#include "base/status.h"

namespace lathe::cuda {

using cublasLtHandle_t = struct cublasLtContext*;
using cublasLtMatrixLayout_t = struct cublasLtMatrixLayoutOpaque_t*;
using cublasLtMatmulDesc_t = struct cublasLtMatmulDescOpaque_t*;
using cublasLtMatmulPreference_t = struct cublasLtMatmulPreferenceOpaque_t*;

// Only the values that Lathe tells apart.
enum class cublasStatus_t : unsigned {
  Success = 0,
  NotInitialized = 1,
  AllocFailed = 3,
  InvalidValue = 7,
  ArchMismatch = 8,
  ExecutionFailed = 13,
  InternalError = 14,
  NotSupported = 15,
};

enum class cudaDataType_t : unsigned { F32 = 0, F64 = 1, F16 = 2, I8 = 3, I32 = 10, BF16 = 14 };

enum class cublasComputeType_t : unsigned {
  F16 = 64,
  F32 = 68,
  F32Pedantic = 69,
  F64 = 70,
  I32 = 72,
  F32FastTf32 = 77,
};

enum class cublasOperation_t : unsigned { None = 0, Transpose = 1 };
enum class cublasLtOrder_t : unsigned { Column = 0, Row = 1 };

// The value that each attribute takes stands behind it.
enum class cublasLtMatrixLayoutAttribute_t : unsigned {
  Order = 1,               // cublasLtOrder_t
  BatchCount = 5,          // int32
  StridedBatchOffset = 6,  // int64, elements
};

enum class cublasLtMatmulDescAttributes_t : unsigned {
  TransA = 3,            // cublasOperation_t
  TransB = 4,            // cublasOperation_t
  Epilogue = 7,          // cublasLtEpilogue_t
  BiasPointer = 8,       // device pointer, one element a row of D
  BiasBatchStride = 10,  // int64, elements
  BiasDataType = 26,     // cudaDataType_t
};

// Gelu is the tanh approximation.
enum class cublasLtEpilogue_t : unsigned {
  Default = 1,
  Relu = 2,
  Bias = 4,
  ReluBias = 6,
  Gelu = 32,
  GeluBias = 36,
};

enum class cublasLtMatmulPreferenceAttributes_t : unsigned {
  MaxWorkspaceBytes = 1,    // uint64
  ReductionSchemeMask = 3,  // uint32, bits of the schemes allowed; 0 is no split-K
  MinAlignmentABytes = 5,   // uint32
  MinAlignmentBBytes = 6,   // uint32
  MinAlignmentCBytes = 7,   // uint32
  MinAlignmentDBytes = 8,   // uint32
};

// An algorithm is a plain value: copied, kept, written to a file, used again with the same version
// of the library on the same kind of GPU.
struct cublasLtMatmulAlgo_t {
  std::uint64_t data[8];
};

struct cublasLtMatmulHeuristicResult_t {
  cublasLtMatmulAlgo_t algo;
  std::size_t workspace_bytes;
  cublasStatus_t state;  // the other members hold only when this is Success
  float waves;
  int reserved[4];
};

// cuBLASLt's functions, each a member named as its exported symbol.
struct CublasLt {
#define FUNCTION(result, symbol, parameters) std::add_pointer_t<result parameters> symbol = nullptr;
#include "backends/cuda/api/cublaslt.def"
#undef FUNCTION
  std::size_t version = 0;  // 130002 is 13.0.2

  // Loaded once in a process, from any thread; a failure stays, too. NotFound without cuBLASLt.
  static Result<const CublasLt*> open();
};

// Ok on success. Unsupported when no algorithm does it, OutOfMemory, DeviceLost when a kernel
// failed, Internal for the rest. The message is `what` and cuBLAS's name for the error.
Status check(cublasStatus_t status, std::string_view what);

void destroy_cublaslt(cublasLtHandle_t handle) noexcept;
void destroy_matrix_layout(cublasLtMatrixLayout_t layout) noexcept;
void destroy_matmul_desc(cublasLtMatmulDesc_t product) noexcept;
void destroy_matmul_preference(cublasLtMatmulPreference_t preference) noexcept;

using OwnedCublasLt = Owned<cublasLtHandle_t, destroy_cublaslt>;
using OwnedMatrixLayout = Owned<cublasLtMatrixLayout_t, destroy_matrix_layout>;
using OwnedMatmulDesc = Owned<cublasLtMatmulDesc_t, destroy_matmul_desc>;
using OwnedMatmulPreference = Owned<cublasLtMatmulPreference_t, destroy_matmul_preference>;

}  // namespace lathe::cuda
