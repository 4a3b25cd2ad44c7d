// SPDX-License-Identifier: Apache-2.0
#pragma once
// What Lathe calls of cuDNN 9, declared by us and loaded at run time: convolutions with fused bias,
// activation and residual, transposed convolutions, pooling. Device pointers pass as void*; alpha
// and beta are floats in host memory (doubles for F64 tensors).
//
//   const Cudnn& dnn = *LATHE_TRY(Cudnn::open());
//   OwnedTensorDescriptor x;
//   LATHE_TRY(check(dnn.cudnnCreateTensorDescriptor(x.out()), "cudnnCreateTensorDescriptor"));
#include <cstddef>
#include <string_view>
#include <type_traits>

#include "backends/cuda/api/driver.h"
#include "backends/cuda/api/owned.h"
#include "base/status.h"

namespace lathe::cuda {

using cudnnHandle_t = struct cudnnContext*;
using cudnnTensorDescriptor_t = struct cudnnTensorStruct*;
using cudnnFilterDescriptor_t = struct cudnnFilterStruct*;
using cudnnConvolutionDescriptor_t = struct cudnnConvolutionStruct*;
using cudnnActivationDescriptor_t = struct cudnnActivationStruct*;
using cudnnPoolingDescriptor_t = struct cudnnPoolingStruct*;

// Thousands are the kind of error, the rest its reason: 3001 is NotSupported, of a pattern.
enum class cudnnStatus_t : unsigned {
  Success = 0,
  NotInitialized = 1001,
  BadParam = 2000,
  NotSupported = 3000,
  InternalError = 4000,
  HostAllocationFailed = 4003,
  DeviceAllocationFailed = 4004,
  ExecutionFailed = 5000,
};

enum class cudnnDataType_t : unsigned {
  F32 = 0,
  F64 = 1,
  F16 = 2,
  I8 = 3,
  I32 = 4,
  BF16 = 9,
};

enum class cudnnTensorFormat_t : unsigned { Nchw = 0, Nhwc = 1 };

// Whether tensor cores may be used. F32 with Default or TensorOp is TF32 on GPUs that have it; Fma
// keeps full F32.
enum class cudnnMathType_t : unsigned {
  Default = 0,
  TensorOp = 1,
  TensorOpAllowConversion = 2,
  Fma = 3,
};

enum class cudnnConvolutionMode_t : unsigned { Convolution = 0, CrossCorrelation = 1 };
enum class cudnnNanPropagation_t : unsigned { No = 0, Yes = 1 };
enum class cudnnDeterminism_t : unsigned { No = 0, Yes = 1 };

enum class cudnnActivationMode_t : unsigned {
  Sigmoid = 0,
  Relu = 1,
  Tanh = 2,
  ClippedRelu = 3,
  Elu = 4,
  Identity = 5,
  Swish = 6,
};

enum class cudnnPoolingMode_t : unsigned {
  Max = 0,
  AverageIncludePadding = 1,
  AverageExcludePadding = 2,
  MaxDeterministic = 3,
};

enum class cudnnConvolutionFwdAlgo_t : unsigned {
  ImplicitGemm = 0,
  ImplicitPrecompGemm = 1,
  Gemm = 2,
  Direct = 3,
  Fft = 4,
  FftTiling = 5,
  Winograd = 6,
  WinogradNonfused = 7,
};

enum class cudnnConvolutionBwdDataAlgo_t : unsigned {
  Algo0 = 0,  // not deterministic
  Algo1 = 1,
  Fft = 2,
  FftTiling = 3,
  Winograd = 4,
  WinogradNonfused = 5,
};

// One algorithm and how it did; the other members hold only when status is Success.
template <class Algo>
struct cudnnAlgoPerf {
  Algo algo;
  cudnnStatus_t status;
  float milliseconds;
  std::size_t workspace_bytes;
  cudnnDeterminism_t determinism;
  cudnnMathType_t math;
  int reserved[3];
};
using cudnnConvolutionFwdAlgoPerf_t = cudnnAlgoPerf<cudnnConvolutionFwdAlgo_t>;
using cudnnConvolutionBwdDataAlgoPerf_t = cudnnAlgoPerf<cudnnConvolutionBwdDataAlgo_t>;

// cuDNN's functions, each a member named as its exported symbol.
struct Cudnn {
#define FUNCTION(result, symbol, parameters) std::add_pointer_t<result parameters> symbol = nullptr;
#include "backends/cuda/api/cudnn.def"
#undef FUNCTION
  std::size_t version = 0;  // 91900 is 9.19.0

  // Loaded once in a process, from any thread; a failure stays, too. NotFound without cuDNN 9.
  static Result<const Cudnn*> open();
};

// Ok on success. Unsupported when cuDNN does not do it, OutOfMemory, DeviceLost when a kernel
// failed, Internal for the rest. The message is `what`, cuDNN's name for the error and its reason.
Status check(cudnnStatus_t status, std::string_view what);

void destroy_cudnn(cudnnHandle_t handle) noexcept;
void destroy_tensor_descriptor(cudnnTensorDescriptor_t tensor) noexcept;
void destroy_filter_descriptor(cudnnFilterDescriptor_t filter) noexcept;
void destroy_convolution_descriptor(cudnnConvolutionDescriptor_t conv) noexcept;
void destroy_activation_descriptor(cudnnActivationDescriptor_t activation) noexcept;
void destroy_pooling_descriptor(cudnnPoolingDescriptor_t pooling) noexcept;

using OwnedCudnn = Owned<cudnnHandle_t, destroy_cudnn>;
using OwnedTensorDescriptor = Owned<cudnnTensorDescriptor_t, destroy_tensor_descriptor>;
using OwnedFilterDescriptor = Owned<cudnnFilterDescriptor_t, destroy_filter_descriptor>;
using OwnedConvolutionDescriptor =
    Owned<cudnnConvolutionDescriptor_t, destroy_convolution_descriptor>;
using OwnedActivationDescriptor = Owned<cudnnActivationDescriptor_t, destroy_activation_descriptor>;
using OwnedPoolingDescriptor = Owned<cudnnPoolingDescriptor_t, destroy_pooling_descriptor>;

}  // namespace lathe::cuda
