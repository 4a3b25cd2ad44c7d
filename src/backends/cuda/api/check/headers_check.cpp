// SPDX-License-Identifier: Apache-2.0
// Compares our declarations of the driver, NVRTC, cuBLASLt and cuDNN with NVIDIA's headers: it
// compiles when they agree. Built only where the headers are, and linked into nothing.
#include <cstddef>
#include <type_traits>

// Ours first: `struct CUctx_st` in them must declare a type of ours, not name NVIDIA's.
#include "backends/cuda/api/cublaslt.h"
#include "backends/cuda/api/cudnn.h"
#include "backends/cuda/api/driver.h"
#include "backends/cuda/api/nvrtc.h"

#define __CUDA_API_VERSION_INTERNAL  // cuda.h: functions go by their exported names
#include <cublasLt.h>
#include <cuda.h>
#include <cudnn.h>
#include <nvrtc.h>

namespace {
namespace ours = lathe::cuda;

// NVIDIA's type for one of ours: handles and enums by the pairs below, the rest is itself.
template <class T>
struct Theirs {
  using type = T;
};
template <class T>
using theirs = typename Theirs<T>::type;
template <class T>
struct Theirs<const T> {
  using type = const theirs<T>;
};
template <class T>
struct Theirs<T*> {
  using type = theirs<T>*;
};
template <class R, class... A>
struct Theirs<R(A...)> {
  using type = theirs<R>(theirs<A>...);
};

// An enum of C++ that is passed as one of C without negative values is.
template <class T>
constexpr bool passes_as_c() {
  if constexpr (std::is_enum_v<T>) return std::is_same_v<std::underlying_type_t<T>, unsigned>;
  return true;
}

// Handles, structs and enums bear NVIDIA's names.
#define SAME_NAME(name)                               \
  static_assert(!std::is_same_v<ours::name, ::name>); \
  static_assert(passes_as_c<ours::name>());           \
  template <>                                         \
  struct Theirs<ours::name> {                         \
    using type = ::name;                              \
  };
SAME_NAME(CUctx_st)
SAME_NAME(CUmod_st)
SAME_NAME(CUfunc_st)
SAME_NAME(CUstream_st)
SAME_NAME(CUevent_st)
SAME_NAME(CUgraph_st)
SAME_NAME(CUgraphNode_st)
SAME_NAME(CUgraphExec_st)
SAME_NAME(_nvrtcProgram)
SAME_NAME(cublasLtContext)
SAME_NAME(cublasLtMatrixLayoutOpaque_t)
SAME_NAME(cublasLtMatmulDescOpaque_t)
SAME_NAME(cublasLtMatmulPreferenceOpaque_t)
SAME_NAME(cublasLtMatmulAlgo_t)
SAME_NAME(cublasLtMatmulHeuristicResult_t)
SAME_NAME(cudnnContext)
SAME_NAME(cudnnTensorStruct)
SAME_NAME(cudnnFilterStruct)
SAME_NAME(cudnnConvolutionStruct)
SAME_NAME(cudnnActivationStruct)
SAME_NAME(cudnnPoolingStruct)
SAME_NAME(cudnnConvolutionFwdAlgoPerf_t)
SAME_NAME(cudnnConvolutionBwdDataAlgoPerf_t)
SAME_NAME(CUresult)
SAME_NAME(CUdevice_attribute)
SAME_NAME(CUfunction_attribute)
SAME_NAME(CUpointer_attribute)
SAME_NAME(CUmemorytype)
SAME_NAME(CUjit_option)
SAME_NAME(CUstreamCaptureStatus)
SAME_NAME(CUstreamCaptureMode)
SAME_NAME(nvrtcResult)
SAME_NAME(cublasStatus_t)
SAME_NAME(cudaDataType_t)
SAME_NAME(cublasComputeType_t)
SAME_NAME(cublasOperation_t)
SAME_NAME(cublasLtOrder_t)
SAME_NAME(cublasLtMatrixLayoutAttribute_t)
SAME_NAME(cublasLtMatmulDescAttributes_t)
SAME_NAME(cublasLtEpilogue_t)
SAME_NAME(cublasLtMatmulPreferenceAttributes_t)
SAME_NAME(cudnnStatus_t)
SAME_NAME(cudnnDataType_t)
SAME_NAME(cudnnTensorFormat_t)
SAME_NAME(cudnnMathType_t)
SAME_NAME(cudnnConvolutionMode_t)
SAME_NAME(cudnnNanPropagation_t)
SAME_NAME(cudnnDeterminism_t)
SAME_NAME(cudnnActivationMode_t)
SAME_NAME(cudnnPoolingMode_t)
SAME_NAME(cudnnConvolutionFwdAlgo_t)
SAME_NAME(cudnnConvolutionBwdDataAlgo_t)
#undef SAME_NAME

// Every function, by its exact type.
#define SAME_FUNCTION(table, symbol) \
  static_assert(std::is_same_v<theirs<decltype(ours::table::symbol)>, decltype(&::symbol)>);
#define FUNCTION(result, symbol, parameters) SAME_FUNCTION(Driver, symbol)
#if CUDA_VERSION < 12040
#define NEWER_FUNCTION(result, symbol, parameters)
#endif
#include "backends/cuda/api/driver.def"
#undef FUNCTION
#define FUNCTION(result, symbol, parameters) SAME_FUNCTION(Nvrtc, symbol)
#include "backends/cuda/api/nvrtc.def"
#undef FUNCTION
#define FUNCTION(result, symbol, parameters) SAME_FUNCTION(CublasLt, symbol)
#include "backends/cuda/api/cublaslt.def"
#undef FUNCTION
#define FUNCTION(result, symbol, parameters) SAME_FUNCTION(Cudnn, symbol)
#include "backends/cuda/api/cudnn.def"
#undef FUNCTION
#undef SAME_FUNCTION

// Plain values that have no enum of ours.
static_assert(std::is_same_v<ours::CUdevice, ::CUdevice>);
static_assert(std::is_same_v<ours::CUdeviceptr, ::CUdeviceptr>);
static_assert(ours::kStreamNonBlocking == CU_STREAM_NON_BLOCKING);
static_assert(ours::kEventDisableTiming == CU_EVENT_DISABLE_TIMING);

// Structs that are passed by address, member for member.
#define SAME_SIZE(name) \
  static_assert(sizeof(ours::name) == sizeof(::name) && alignof(ours::name) == alignof(::name));
#define SAME_MEMBER(name, our, their)                                   \
  static_assert(offsetof(ours::name, our) == offsetof(::name, their) && \
                sizeof(ours::name::our) == sizeof(::name::their));
SAME_SIZE(cublasLtMatmulAlgo_t)
SAME_SIZE(cublasLtMatmulHeuristicResult_t)
SAME_MEMBER(cublasLtMatmulHeuristicResult_t, algo, algo)
SAME_MEMBER(cublasLtMatmulHeuristicResult_t, workspace_bytes, workspaceSize)
SAME_MEMBER(cublasLtMatmulHeuristicResult_t, state, state)
SAME_MEMBER(cublasLtMatmulHeuristicResult_t, waves, wavesCount)
SAME_SIZE(cudnnConvolutionFwdAlgoPerf_t)
SAME_MEMBER(cudnnConvolutionFwdAlgoPerf_t, algo, algo)
SAME_MEMBER(cudnnConvolutionFwdAlgoPerf_t, status, status)
SAME_MEMBER(cudnnConvolutionFwdAlgoPerf_t, milliseconds, time)
SAME_MEMBER(cudnnConvolutionFwdAlgoPerf_t, workspace_bytes, memory)
SAME_MEMBER(cudnnConvolutionFwdAlgoPerf_t, determinism, determinism)
SAME_MEMBER(cudnnConvolutionFwdAlgoPerf_t, math, mathType)
SAME_SIZE(cudnnConvolutionBwdDataAlgoPerf_t)
SAME_MEMBER(cudnnConvolutionBwdDataAlgoPerf_t, algo, algo)
SAME_MEMBER(cudnnConvolutionBwdDataAlgoPerf_t, status, status)
SAME_MEMBER(cudnnConvolutionBwdDataAlgoPerf_t, milliseconds, time)
SAME_MEMBER(cudnnConvolutionBwdDataAlgoPerf_t, workspace_bytes, memory)
SAME_MEMBER(cudnnConvolutionBwdDataAlgoPerf_t, determinism, determinism)
SAME_MEMBER(cudnnConvolutionBwdDataAlgoPerf_t, math, mathType)
#undef SAME_MEMBER
#undef SAME_SIZE

// Enumerators, by value.
#define SAME_VALUE(our, their) \
  static_assert(static_cast<unsigned>(ours::our) == static_cast<unsigned>(their));
SAME_VALUE(CUresult::Success, CUDA_SUCCESS)
SAME_VALUE(CUresult::InvalidValue, CUDA_ERROR_INVALID_VALUE)
SAME_VALUE(CUresult::OutOfMemory, CUDA_ERROR_OUT_OF_MEMORY)
SAME_VALUE(CUresult::Deinitialized, CUDA_ERROR_DEINITIALIZED)
SAME_VALUE(CUresult::StubLibrary, CUDA_ERROR_STUB_LIBRARY)
SAME_VALUE(CUresult::DeviceUnavailable, CUDA_ERROR_DEVICE_UNAVAILABLE)
SAME_VALUE(CUresult::NoDevice, CUDA_ERROR_NO_DEVICE)
SAME_VALUE(CUresult::InvalidDevice, CUDA_ERROR_INVALID_DEVICE)
SAME_VALUE(CUresult::InvalidImage, CUDA_ERROR_INVALID_IMAGE)
SAME_VALUE(CUresult::InvalidContext, CUDA_ERROR_INVALID_CONTEXT)
SAME_VALUE(CUresult::NoBinaryForGpu, CUDA_ERROR_NO_BINARY_FOR_GPU)
SAME_VALUE(CUresult::EccUncorrectable, CUDA_ERROR_ECC_UNCORRECTABLE)
SAME_VALUE(CUresult::UnsupportedPtxVersion, CUDA_ERROR_UNSUPPORTED_PTX_VERSION)
SAME_VALUE(CUresult::NvlinkUncorrectable, CUDA_ERROR_NVLINK_UNCORRECTABLE)
SAME_VALUE(CUresult::Contained, CUDA_ERROR_CONTAINED)
SAME_VALUE(CUresult::InvalidHandle, CUDA_ERROR_INVALID_HANDLE)
SAME_VALUE(CUresult::NotFound, CUDA_ERROR_NOT_FOUND)
SAME_VALUE(CUresult::NotReady, CUDA_ERROR_NOT_READY)
SAME_VALUE(CUresult::IllegalAddress, CUDA_ERROR_ILLEGAL_ADDRESS)
SAME_VALUE(CUresult::LaunchOutOfResources, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES)
SAME_VALUE(CUresult::LaunchTimeout, CUDA_ERROR_LAUNCH_TIMEOUT)
SAME_VALUE(CUresult::ContextIsDestroyed, CUDA_ERROR_CONTEXT_IS_DESTROYED)
SAME_VALUE(CUresult::Assert, CUDA_ERROR_ASSERT)
SAME_VALUE(CUresult::HardwareStackError, CUDA_ERROR_HARDWARE_STACK_ERROR)
SAME_VALUE(CUresult::IllegalInstruction, CUDA_ERROR_ILLEGAL_INSTRUCTION)
SAME_VALUE(CUresult::MisalignedAddress, CUDA_ERROR_MISALIGNED_ADDRESS)
SAME_VALUE(CUresult::InvalidAddressSpace, CUDA_ERROR_INVALID_ADDRESS_SPACE)
SAME_VALUE(CUresult::InvalidPc, CUDA_ERROR_INVALID_PC)
SAME_VALUE(CUresult::LaunchFailed, CUDA_ERROR_LAUNCH_FAILED)
SAME_VALUE(CUresult::NotPermitted, CUDA_ERROR_NOT_PERMITTED)
SAME_VALUE(CUresult::NotSupported, CUDA_ERROR_NOT_SUPPORTED)
SAME_VALUE(CUresult::SystemNotReady, CUDA_ERROR_SYSTEM_NOT_READY)
SAME_VALUE(CUresult::SystemDriverMismatch, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH)
SAME_VALUE(CUresult::CompatNotSupportedOnDevice, CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE)
SAME_VALUE(CUresult::StreamCaptureUnsupported, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED)
SAME_VALUE(CUresult::StreamCaptureInvalidated, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED)
SAME_VALUE(CUresult::Unknown, CUDA_ERROR_UNKNOWN)
SAME_VALUE(CUdevice_attribute::MaxThreadsPerBlock, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK)
SAME_VALUE(CUdevice_attribute::ClockRate, CU_DEVICE_ATTRIBUTE_CLOCK_RATE)
SAME_VALUE(CUdevice_attribute::MultiprocessorCount, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)
SAME_VALUE(CUdevice_attribute::Integrated, CU_DEVICE_ATTRIBUTE_INTEGRATED)
SAME_VALUE(CUdevice_attribute::MemoryClockRate, CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE)
SAME_VALUE(CUdevice_attribute::GlobalMemoryBusWidth, CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH)
SAME_VALUE(CUdevice_attribute::L2CacheSize, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)
SAME_VALUE(CUdevice_attribute::MaxThreadsPerMultiprocessor,
           CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR)
SAME_VALUE(CUdevice_attribute::ComputeCapabilityMajor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
SAME_VALUE(CUdevice_attribute::ComputeCapabilityMinor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)
SAME_VALUE(CUdevice_attribute::MaxSharedMemoryPerMultiprocessor,
           CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR)
SAME_VALUE(CUdevice_attribute::MaxRegistersPerMultiprocessor,
           CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR)
SAME_VALUE(CUdevice_attribute::MaxSharedMemoryPerBlockOptin,
           CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
SAME_VALUE(CUfunction_attribute::MaxThreadsPerBlock, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)
SAME_VALUE(CUfunction_attribute::SharedSizeBytes, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)
SAME_VALUE(CUfunction_attribute::LocalSizeBytes, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES)
SAME_VALUE(CUfunction_attribute::NumRegs, CU_FUNC_ATTRIBUTE_NUM_REGS)
SAME_VALUE(CUfunction_attribute::MaxDynamicSharedSizeBytes,
           CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)
SAME_VALUE(CUfunction_attribute::PreferredSharedMemoryCarveout,
           CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT)
SAME_VALUE(CUpointer_attribute::Context, CU_POINTER_ATTRIBUTE_CONTEXT)
SAME_VALUE(CUpointer_attribute::MemoryType, CU_POINTER_ATTRIBUTE_MEMORY_TYPE)
SAME_VALUE(CUpointer_attribute::DeviceOrdinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL)
SAME_VALUE(CUmemorytype::Host, CU_MEMORYTYPE_HOST)
SAME_VALUE(CUmemorytype::Device, CU_MEMORYTYPE_DEVICE)
SAME_VALUE(CUmemorytype::Array, CU_MEMORYTYPE_ARRAY)
SAME_VALUE(CUmemorytype::Unified, CU_MEMORYTYPE_UNIFIED)
SAME_VALUE(CUjit_option::ErrorLogBuffer, CU_JIT_ERROR_LOG_BUFFER)
SAME_VALUE(CUjit_option::ErrorLogBufferSizeBytes, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES)
SAME_VALUE(CUstreamCaptureStatus::None, CU_STREAM_CAPTURE_STATUS_NONE)
SAME_VALUE(CUstreamCaptureStatus::Active, CU_STREAM_CAPTURE_STATUS_ACTIVE)
SAME_VALUE(CUstreamCaptureStatus::Invalidated, CU_STREAM_CAPTURE_STATUS_INVALIDATED)
SAME_VALUE(CUstreamCaptureMode::Global, CU_STREAM_CAPTURE_MODE_GLOBAL)
SAME_VALUE(CUstreamCaptureMode::ThreadLocal, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
SAME_VALUE(CUstreamCaptureMode::Relaxed, CU_STREAM_CAPTURE_MODE_RELAXED)
SAME_VALUE(nvrtcResult::Success, NVRTC_SUCCESS)
SAME_VALUE(nvrtcResult::OutOfMemory, NVRTC_ERROR_OUT_OF_MEMORY)
SAME_VALUE(nvrtcResult::InvalidOption, NVRTC_ERROR_INVALID_OPTION)
SAME_VALUE(nvrtcResult::Compilation, NVRTC_ERROR_COMPILATION)
SAME_VALUE(nvrtcResult::BuiltinOperationFailure, NVRTC_ERROR_BUILTIN_OPERATION_FAILURE)
SAME_VALUE(cublasStatus_t::Success, CUBLAS_STATUS_SUCCESS)
SAME_VALUE(cublasStatus_t::NotInitialized, CUBLAS_STATUS_NOT_INITIALIZED)
SAME_VALUE(cublasStatus_t::AllocFailed, CUBLAS_STATUS_ALLOC_FAILED)
SAME_VALUE(cublasStatus_t::InvalidValue, CUBLAS_STATUS_INVALID_VALUE)
SAME_VALUE(cublasStatus_t::ArchMismatch, CUBLAS_STATUS_ARCH_MISMATCH)
SAME_VALUE(cublasStatus_t::ExecutionFailed, CUBLAS_STATUS_EXECUTION_FAILED)
SAME_VALUE(cublasStatus_t::InternalError, CUBLAS_STATUS_INTERNAL_ERROR)
SAME_VALUE(cublasStatus_t::NotSupported, CUBLAS_STATUS_NOT_SUPPORTED)
SAME_VALUE(cudaDataType_t::F32, CUDA_R_32F)
SAME_VALUE(cudaDataType_t::F64, CUDA_R_64F)
SAME_VALUE(cudaDataType_t::F16, CUDA_R_16F)
SAME_VALUE(cudaDataType_t::I8, CUDA_R_8I)
SAME_VALUE(cudaDataType_t::I32, CUDA_R_32I)
SAME_VALUE(cudaDataType_t::BF16, CUDA_R_16BF)
SAME_VALUE(cublasComputeType_t::F16, CUBLAS_COMPUTE_16F)
SAME_VALUE(cublasComputeType_t::F32, CUBLAS_COMPUTE_32F)
SAME_VALUE(cublasComputeType_t::F32Pedantic, CUBLAS_COMPUTE_32F_PEDANTIC)
SAME_VALUE(cublasComputeType_t::F64, CUBLAS_COMPUTE_64F)
SAME_VALUE(cublasComputeType_t::I32, CUBLAS_COMPUTE_32I)
SAME_VALUE(cublasComputeType_t::F32FastTf32, CUBLAS_COMPUTE_32F_FAST_TF32)
SAME_VALUE(cublasOperation_t::None, CUBLAS_OP_N)
SAME_VALUE(cublasOperation_t::Transpose, CUBLAS_OP_T)
SAME_VALUE(cublasLtOrder_t::Column, CUBLASLT_ORDER_COL)
SAME_VALUE(cublasLtOrder_t::Row, CUBLASLT_ORDER_ROW)
SAME_VALUE(cublasLtMatrixLayoutAttribute_t::Order, CUBLASLT_MATRIX_LAYOUT_ORDER)
SAME_VALUE(cublasLtMatrixLayoutAttribute_t::BatchCount, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT)
SAME_VALUE(cublasLtMatrixLayoutAttribute_t::StridedBatchOffset,
           CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET)
SAME_VALUE(cublasLtMatmulDescAttributes_t::TransA, CUBLASLT_MATMUL_DESC_TRANSA)
SAME_VALUE(cublasLtMatmulDescAttributes_t::TransB, CUBLASLT_MATMUL_DESC_TRANSB)
SAME_VALUE(cublasLtMatmulDescAttributes_t::Epilogue, CUBLASLT_MATMUL_DESC_EPILOGUE)
SAME_VALUE(cublasLtMatmulDescAttributes_t::BiasPointer, CUBLASLT_MATMUL_DESC_BIAS_POINTER)
SAME_VALUE(cublasLtMatmulDescAttributes_t::BiasBatchStride, CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE)
SAME_VALUE(cublasLtMatmulDescAttributes_t::BiasDataType, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE)
SAME_VALUE(cublasLtEpilogue_t::Default, CUBLASLT_EPILOGUE_DEFAULT)
SAME_VALUE(cublasLtEpilogue_t::Relu, CUBLASLT_EPILOGUE_RELU)
SAME_VALUE(cublasLtEpilogue_t::Bias, CUBLASLT_EPILOGUE_BIAS)
SAME_VALUE(cublasLtEpilogue_t::ReluBias, CUBLASLT_EPILOGUE_RELU_BIAS)
SAME_VALUE(cublasLtEpilogue_t::Gelu, CUBLASLT_EPILOGUE_GELU)
SAME_VALUE(cublasLtEpilogue_t::GeluBias, CUBLASLT_EPILOGUE_GELU_BIAS)
SAME_VALUE(cublasLtMatmulPreferenceAttributes_t::MaxWorkspaceBytes,
           CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES)
SAME_VALUE(cublasLtMatmulPreferenceAttributes_t::ReductionSchemeMask,
           CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK)
SAME_VALUE(cublasLtMatmulPreferenceAttributes_t::MinAlignmentABytes,
           CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES)
SAME_VALUE(cublasLtMatmulPreferenceAttributes_t::MinAlignmentBBytes,
           CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES)
SAME_VALUE(cublasLtMatmulPreferenceAttributes_t::MinAlignmentCBytes,
           CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES)
SAME_VALUE(cublasLtMatmulPreferenceAttributes_t::MinAlignmentDBytes,
           CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES)
SAME_VALUE(cudnnStatus_t::Success, CUDNN_STATUS_SUCCESS)
SAME_VALUE(cudnnStatus_t::NotInitialized, CUDNN_STATUS_NOT_INITIALIZED)
SAME_VALUE(cudnnStatus_t::BadParam, CUDNN_STATUS_BAD_PARAM)
SAME_VALUE(cudnnStatus_t::NotSupported, CUDNN_STATUS_NOT_SUPPORTED)
SAME_VALUE(cudnnStatus_t::InternalError, CUDNN_STATUS_INTERNAL_ERROR)
SAME_VALUE(cudnnStatus_t::HostAllocationFailed, CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED)
SAME_VALUE(cudnnStatus_t::DeviceAllocationFailed,
           CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)
SAME_VALUE(cudnnStatus_t::ExecutionFailed, CUDNN_STATUS_EXECUTION_FAILED)
SAME_VALUE(cudnnDataType_t::F32, CUDNN_DATA_FLOAT)
SAME_VALUE(cudnnDataType_t::F64, CUDNN_DATA_DOUBLE)
SAME_VALUE(cudnnDataType_t::F16, CUDNN_DATA_HALF)
SAME_VALUE(cudnnDataType_t::I8, CUDNN_DATA_INT8)
SAME_VALUE(cudnnDataType_t::I32, CUDNN_DATA_INT32)
SAME_VALUE(cudnnDataType_t::BF16, CUDNN_DATA_BFLOAT16)
SAME_VALUE(cudnnTensorFormat_t::Nchw, CUDNN_TENSOR_NCHW)
SAME_VALUE(cudnnTensorFormat_t::Nhwc, CUDNN_TENSOR_NHWC)
SAME_VALUE(cudnnMathType_t::Default, CUDNN_DEFAULT_MATH)
SAME_VALUE(cudnnMathType_t::TensorOp, CUDNN_TENSOR_OP_MATH)
SAME_VALUE(cudnnMathType_t::TensorOpAllowConversion, CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION)
SAME_VALUE(cudnnMathType_t::Fma, CUDNN_FMA_MATH)
SAME_VALUE(cudnnConvolutionMode_t::Convolution, CUDNN_CONVOLUTION)
SAME_VALUE(cudnnConvolutionMode_t::CrossCorrelation, CUDNN_CROSS_CORRELATION)
SAME_VALUE(cudnnNanPropagation_t::No, CUDNN_NOT_PROPAGATE_NAN)
SAME_VALUE(cudnnNanPropagation_t::Yes, CUDNN_PROPAGATE_NAN)
SAME_VALUE(cudnnDeterminism_t::No, CUDNN_NON_DETERMINISTIC)
SAME_VALUE(cudnnDeterminism_t::Yes, CUDNN_DETERMINISTIC)
SAME_VALUE(cudnnActivationMode_t::Sigmoid, CUDNN_ACTIVATION_SIGMOID)
SAME_VALUE(cudnnActivationMode_t::Relu, CUDNN_ACTIVATION_RELU)
SAME_VALUE(cudnnActivationMode_t::Tanh, CUDNN_ACTIVATION_TANH)
SAME_VALUE(cudnnActivationMode_t::ClippedRelu, CUDNN_ACTIVATION_CLIPPED_RELU)
SAME_VALUE(cudnnActivationMode_t::Elu, CUDNN_ACTIVATION_ELU)
SAME_VALUE(cudnnActivationMode_t::Identity, CUDNN_ACTIVATION_IDENTITY)
SAME_VALUE(cudnnActivationMode_t::Swish, CUDNN_ACTIVATION_SWISH)
SAME_VALUE(cudnnPoolingMode_t::Max, CUDNN_POOLING_MAX)
SAME_VALUE(cudnnPoolingMode_t::AverageIncludePadding, CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING)
SAME_VALUE(cudnnPoolingMode_t::AverageExcludePadding, CUDNN_POOLING_AVERAGE_COUNT_EXCLUDE_PADDING)
SAME_VALUE(cudnnPoolingMode_t::MaxDeterministic, CUDNN_POOLING_MAX_DETERMINISTIC)
SAME_VALUE(cudnnConvolutionFwdAlgo_t::ImplicitGemm, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM)
SAME_VALUE(cudnnConvolutionFwdAlgo_t::ImplicitPrecompGemm,
           CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM)
SAME_VALUE(cudnnConvolutionFwdAlgo_t::Gemm, CUDNN_CONVOLUTION_FWD_ALGO_GEMM)
SAME_VALUE(cudnnConvolutionFwdAlgo_t::Direct, CUDNN_CONVOLUTION_FWD_ALGO_DIRECT)
SAME_VALUE(cudnnConvolutionFwdAlgo_t::Fft, CUDNN_CONVOLUTION_FWD_ALGO_FFT)
SAME_VALUE(cudnnConvolutionFwdAlgo_t::FftTiling, CUDNN_CONVOLUTION_FWD_ALGO_FFT_TILING)
SAME_VALUE(cudnnConvolutionFwdAlgo_t::Winograd, CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD)
SAME_VALUE(cudnnConvolutionFwdAlgo_t::WinogradNonfused,
           CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD_NONFUSED)
SAME_VALUE(cudnnConvolutionBwdDataAlgo_t::Algo0, CUDNN_CONVOLUTION_BWD_DATA_ALGO_0)
SAME_VALUE(cudnnConvolutionBwdDataAlgo_t::Algo1, CUDNN_CONVOLUTION_BWD_DATA_ALGO_1)
SAME_VALUE(cudnnConvolutionBwdDataAlgo_t::Fft, CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT)
SAME_VALUE(cudnnConvolutionBwdDataAlgo_t::FftTiling, CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT_TILING)
SAME_VALUE(cudnnConvolutionBwdDataAlgo_t::Winograd, CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD)
SAME_VALUE(cudnnConvolutionBwdDataAlgo_t::WinogradNonfused,
           CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD_NONFUSED)
#undef SAME_VALUE

}  // namespace
