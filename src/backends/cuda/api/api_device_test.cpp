// SPDX-License-Identifier: Apache-2.0
// The declared functions against the real driver and libraries on a GPU; skipped without one.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "backends/cuda/api/cublaslt.h"
#include "backends/cuda/api/cudnn.h"
#include "backends/cuda/api/driver.h"
#include "backends/cuda/api/nvrtc.h"

namespace lathe::cuda {
namespace {

#define ASSERT_OK(expression)                    \
  do {                                           \
    Status s = check((expression), #expression); \
    ASSERT_TRUE(s.ok()) << s.message();          \
  } while (0)

class DeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    Result<const Driver*> opened = Driver::open();
    if (!opened.ok()) GTEST_SKIP() << opened.status().message();
    cuda_ = *opened;
    ASSERT_OK(cuda_->cuDeviceGet(&device_, 0));
    CUcontext context = nullptr;
    ASSERT_OK(cuda_->cuDevicePrimaryCtxRetain(&context, device_));
    ASSERT_OK(cuda_->cuCtxPushCurrent_v2(context));
    entered_ = true;
    ASSERT_OK(cuda_->cuStreamCreate(stream_.out(), kStreamNonBlocking));
  }
  void TearDown() override {
    stream_.reset();
    held_.clear();
    if (!entered_) return;
    CUcontext context = nullptr;
    ASSERT_OK(cuda_->cuCtxPopCurrent_v2(&context));
    ASSERT_OK(cuda_->cuDevicePrimaryCtxRelease_v2(device_));
  }

  // Device memory with these values in it, held until the end of the test.
  CUdeviceptr put(const std::vector<float>& values) {
    OwnedDeviceMemory memory;
    const std::size_t bytes = values.size() * sizeof(float);
    EXPECT_TRUE(check(cuda_->cuMemAlloc_v2(memory.out(), bytes), "put").ok());
    EXPECT_TRUE(check(cuda_->cuMemcpyHtoD_v2(memory.get(), values.data(), bytes), "put").ok());
    held_.push_back(std::move(memory));
    return held_.back().get();
  }
  std::vector<float> get(CUdeviceptr from, std::size_t count) {
    std::vector<float> values(count);
    EXPECT_TRUE(check(cuda_->cuStreamSynchronize(stream_.get()), "get").ok());
    EXPECT_TRUE(
        check(cuda_->cuMemcpyDtoH_v2(values.data(), from, count * sizeof(float)), "get").ok());
    return values;
  }
  int attribute(CUdevice_attribute what) {
    int value = -1;
    EXPECT_TRUE(check(cuda_->cuDeviceGetAttribute(&value, what, device_), "attribute").ok());
    return value;
  }
  static void* pointer(CUdeviceptr at) { return reinterpret_cast<void*>(at); }

  const Driver* cuda_ = nullptr;
  CUdevice device_ = 0;
  bool entered_ = false;
  OwnedStream stream_;
  std::vector<OwnedDeviceMemory> held_;
};

TEST_F(DeviceTest, TheDriverNamesItsErrors) {
  Status s = check(CUresult::OutOfMemory, "the arena");
  EXPECT_EQ(s.message().rfind("the arena: CUDA_ERROR_OUT_OF_MEMORY (", 0), 0u) << s.message();
}

TEST_F(DeviceTest, MoreMemoryThanThereIsIsOutOfMemory) {
  std::size_t free = 0, total = 0;
  ASSERT_OK(cuda_->cuMemGetInfo_v2(&free, &total));
  ASSERT_LE(free, total);
  OwnedDeviceMemory memory;
  Status s = check(cuda_->cuMemAlloc_v2(memory.out(), total * 2), "too much");
  EXPECT_EQ(s.code(), Code::OutOfMemory) << s.message();
}

TEST_F(DeviceTest, RunsAKernelFromACapturedGraph) {
  Result<const Nvrtc*> nvrtc = Nvrtc::open();
  if (!nvrtc.ok()) GTEST_SKIP() << nvrtc.status().message();
  const std::string arch =
      fmt::format("sm_{}{}", attribute(CUdevice_attribute::ComputeCapabilityMajor),
                  attribute(CUdevice_attribute::ComputeCapabilityMinor));
  auto cubin = (*nvrtc)->compile(
      "extern \"C\" __global__ void scale(float* x, float by) { x[threadIdx.x] *= by; }", "scale",
      arch);
  ASSERT_TRUE(cubin.ok()) << cubin.status().message();
  OwnedModule module;
  ASSERT_OK(cuda_->cuModuleLoadDataEx(module.out(), cubin->data(), 0, nullptr, nullptr));
  CUfunction scale = nullptr;
  ASSERT_OK(cuda_->cuModuleGetFunction(&scale, module.get(), "scale"));

  CUdeviceptr x = put({1, 2, 3, 4});
  float by = 3;
  void* parameters[] = {&x, &by};
  ASSERT_OK(cuda_->cuStreamBeginCapture_v2(stream_.get(), CUstreamCaptureMode::ThreadLocal));
  auto capturing = CUstreamCaptureStatus::None;
  ASSERT_OK(cuda_->cuStreamIsCapturing(stream_.get(), &capturing));
  EXPECT_EQ(capturing, CUstreamCaptureStatus::Active);
  ASSERT_OK(cuda_->cuLaunchKernel(scale, 1, 1, 1, 4, 1, 1, 0, stream_.get(), parameters, nullptr));
  OwnedGraph graph;
  ASSERT_OK(cuda_->cuStreamEndCapture(stream_.get(), graph.out()));
  OwnedGraphExec exec;
  ASSERT_OK(cuda_->cuGraphInstantiateWithFlags(exec.out(), graph.get(), 0));

  OwnedEvent start, end;
  ASSERT_OK(cuda_->cuEventCreate(start.out(), 0));
  ASSERT_OK(cuda_->cuEventCreate(end.out(), 0));
  ASSERT_OK(cuda_->cuEventRecord(start.get(), stream_.get()));
  ASSERT_OK(cuda_->cuGraphLaunch(exec.get(), stream_.get()));
  ASSERT_OK(cuda_->cuGraphLaunch(exec.get(), stream_.get()));
  ASSERT_OK(cuda_->cuEventRecord(end.get(), stream_.get()));
  EXPECT_EQ(get(x, 4), (std::vector<float>{9, 18, 27, 36}));
  float milliseconds = -1;
  ASSERT_OK(cuda_->cuEventElapsedTime(&milliseconds, start.get(), end.get()));
  EXPECT_GT(milliseconds, 0);
}

TEST_F(DeviceTest, CublasLtMultipliesWithBiasAndRelu) {
  Result<const CublasLt*> opened = CublasLt::open();
  if (!opened.ok()) GTEST_SKIP() << opened.status().message();
  const CublasLt& lt = **opened;
  OwnedCublasLt handle;
  ASSERT_OK(lt.cublasLtCreate(handle.out()));
  OwnedMatmulDesc product;
  ASSERT_OK(
      lt.cublasLtMatmulDescCreate(product.out(), cublasComputeType_t::F32, cudaDataType_t::F32));
  CUdeviceptr bias = put({0, -100, 1, 2});
  const auto epilogue = cublasLtEpilogue_t::ReluBias;
  ASSERT_OK(lt.cublasLtMatmulDescSetAttribute(
      product.get(), cublasLtMatmulDescAttributes_t::Epilogue, &epilogue, sizeof epilogue));
  ASSERT_OK(lt.cublasLtMatmulDescSetAttribute(
      product.get(), cublasLtMatmulDescAttributes_t::BiasPointer, &bias, sizeof bias));

  // Column-major 4x4: a is 2 on the diagonal, so that d = relu(2 b + bias), bias along rows.
  std::vector<float> a(16), b(16), expected(16);
  const float along[] = {0, -100, 1, 2};
  for (std::size_t i = 0; i < 16; ++i) {
    a[i] = i % 5 == 0 ? 2.f : 0.f;
    b[i] = static_cast<float>(i);
    expected[i] = std::max(0.f, 2 * b[i] + along[i % 4]);
  }
  OwnedMatrixLayout layout;
  ASSERT_OK(lt.cublasLtMatrixLayoutCreate(layout.out(), cudaDataType_t::F32, 4, 4, 4));
  OwnedMatmulPreference preference;
  ASSERT_OK(lt.cublasLtMatmulPreferenceCreate(preference.out()));
  const std::uint64_t workspace = 0;
  ASSERT_OK(lt.cublasLtMatmulPreferenceSetAttribute(
      preference.get(), cublasLtMatmulPreferenceAttributes_t::MaxWorkspaceBytes, &workspace,
      sizeof workspace));
  cublasLtMatmulHeuristicResult_t found[8] = {};
  int count = 0;
  ASSERT_OK(lt.cublasLtMatmulAlgoGetHeuristic(handle.get(), product.get(), layout.get(),
                                              layout.get(), layout.get(), layout.get(),
                                              preference.get(), 8, found, &count));
  ASSERT_GT(count, 0);
  for (int i = 0; i < count; ++i) {
    ASSERT_OK(found[i].state);
    EXPECT_EQ(found[i].workspace_bytes, 0u);
    CUdeviceptr d = put(std::vector<float>(16, -1));
    const float alpha = 1, beta = 0;
    ASSERT_OK(lt.cublasLtMatmul(handle.get(), product.get(), &alpha, pointer(put(a)), layout.get(),
                                pointer(put(b)), layout.get(), &beta, pointer(d), layout.get(),
                                pointer(d), layout.get(), &found[i].algo, nullptr, 0,
                                stream_.get()));
    EXPECT_EQ(get(d, 16), expected) << "algorithm " << i;
  }
}

// A 1x1 convolution of one 2x2 image, from 2 channels to 1, with weights 1 and 10.
class CudnnDeviceTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    Result<const Cudnn*> opened = Cudnn::open();
    if (!opened.ok()) GTEST_SKIP() << opened.status().message();
    dnn_ = *opened;
    ASSERT_OK(dnn_->cudnnCreate(handle_.out()));
    ASSERT_OK(dnn_->cudnnSetStream(handle_.get(), stream_.get()));
    describe(two_channels_, 2, 2);
    describe(one_channel_, 1, 2);
    describe(bias_, 1, 1);
    ASSERT_OK(dnn_->cudnnCreateFilterDescriptor(filter_.out()));
    ASSERT_OK(dnn_->cudnnSetFilter4dDescriptor(filter_.get(), cudnnDataType_t::F32,
                                               cudnnTensorFormat_t::Nhwc, 1, 2, 1, 1));
    ASSERT_OK(dnn_->cudnnCreateConvolutionDescriptor(conv_.out()));
    ASSERT_OK(dnn_->cudnnSetConvolution2dDescriptor(conv_.get(), 0, 0, 1, 1, 1, 1,
                                                    cudnnConvolutionMode_t::CrossCorrelation,
                                                    cudnnDataType_t::F32));
    ASSERT_OK(dnn_->cudnnSetConvolutionMathType(conv_.get(), cudnnMathType_t::Fma));
  }
  void TearDown() override {
    handle_.reset();
    DeviceTest::TearDown();
  }
  void describe(OwnedTensorDescriptor& tensor, int channels, int side) {
    ASSERT_OK(dnn_->cudnnCreateTensorDescriptor(tensor.out()));
    ASSERT_OK(dnn_->cudnnSetTensor4dDescriptor(tensor.get(), cudnnTensorFormat_t::Nhwc,
                                               cudnnDataType_t::F32, 1, channels, side, side));
  }

  const Cudnn* dnn_ = nullptr;
  OwnedCudnn handle_;
  OwnedTensorDescriptor two_channels_, one_channel_, bias_;
  OwnedFilterDescriptor filter_;
  OwnedConvolutionDescriptor conv_;
  const float one_ = 1, zero_ = 0;
};

TEST_F(CudnnDeviceTest, ConvolvesWithBiasResidualAndRelu) {
  OwnedActivationDescriptor relu;
  ASSERT_OK(dnn_->cudnnCreateActivationDescriptor(relu.out()));
  ASSERT_OK(dnn_->cudnnSetActivationDescriptor(relu.get(), cudnnActivationMode_t::Relu,
                                               cudnnNanPropagation_t::Yes, 0));
  const auto algo = cudnnConvolutionFwdAlgo_t::ImplicitPrecompGemm;
  std::size_t bytes = 0;
  ASSERT_OK(dnn_->cudnnGetConvolutionForwardWorkspaceSize(handle_.get(), two_channels_.get(),
                                                          filter_.get(), conv_.get(),
                                                          one_channel_.get(), algo, &bytes));
  CUdeviceptr workspace = put(std::vector<float>(bytes / sizeof(float) + 1));
  CUdeviceptr x = put({1, 2, 3, 4, 5, 6, 7, 8});
  CUdeviceptr y = put({0, 0, 0, 0});
  ASSERT_OK(dnn_->cudnnConvolutionBiasActivationForward(
      handle_.get(), &one_, two_channels_.get(), pointer(x), filter_.get(), pointer(put({1, 10})),
      conv_.get(), algo, pointer(workspace), bytes, &one_, one_channel_.get(),
      pointer(put({0, 1, -1000, 0})), bias_.get(), pointer(put({-1})), relu.get(),
      one_channel_.get(), pointer(y)));
  EXPECT_EQ(get(y, 4), (std::vector<float>{20, 43, 0, 86}));
}

TEST_F(CudnnDeviceTest, TheSearchFindsAnAlgorithmThatConvolves) {
  int found_count = 0;
  cudnnConvolutionFwdAlgoPerf_t found[8] = {};
  ASSERT_OK(dnn_->cudnnGetConvolutionForwardAlgorithm_v7(
      handle_.get(), two_channels_.get(), filter_.get(), conv_.get(), one_channel_.get(), 8,
      &found_count, found));
  ASSERT_GT(found_count, 0);
  ASSERT_OK(found[0].status);
  CUdeviceptr workspace = put(std::vector<float>(found[0].workspace_bytes / sizeof(float) + 1));
  CUdeviceptr y = put({0, 0, 0, 0});
  ASSERT_OK(dnn_->cudnnSetConvolutionMathType(conv_.get(), found[0].math));
  ASSERT_OK(dnn_->cudnnConvolutionForward(
      handle_.get(), &one_, two_channels_.get(), pointer(put({1, 2, 3, 4, 5, 6, 7, 8})),
      filter_.get(), pointer(put({1, 10})), conv_.get(), found[0].algo, pointer(workspace),
      found[0].workspace_bytes, &zero_, one_channel_.get(), pointer(y)));
  EXPECT_EQ(get(y, 4), (std::vector<float>{21, 43, 65, 87}));
}

TEST_F(CudnnDeviceTest, TheGradientByTheInputIsTheTransposedConvolution) {
  CUdeviceptr dx = put(std::vector<float>(8));
  const auto algo = cudnnConvolutionBwdDataAlgo_t::Algo1;
  std::size_t bytes = 0;
  ASSERT_OK(dnn_->cudnnGetConvolutionBackwardDataWorkspaceSize(handle_.get(), filter_.get(),
                                                               one_channel_.get(), conv_.get(),
                                                               two_channels_.get(), algo, &bytes));
  CUdeviceptr workspace = put(std::vector<float>(bytes / sizeof(float) + 1));
  ASSERT_OK(dnn_->cudnnConvolutionBackwardData(
      handle_.get(), &one_, filter_.get(), pointer(put({1, 10})), one_channel_.get(),
      pointer(put({1, 2, 3, 4})), conv_.get(), algo, pointer(workspace), bytes, &zero_,
      two_channels_.get(), pointer(dx)));
  EXPECT_EQ(get(dx, 8), (std::vector<float>{1, 10, 2, 20, 3, 30, 4, 40}));
}

TEST_F(CudnnDeviceTest, PoolsTheMaximum) {
  OwnedPoolingDescriptor pooling;
  ASSERT_OK(dnn_->cudnnCreatePoolingDescriptor(pooling.out()));
  const int window[] = {2, 2}, pads[] = {0, 0}, strides[] = {2, 2};
  ASSERT_OK(dnn_->cudnnSetPoolingNdDescriptor(pooling.get(), cudnnPoolingMode_t::Max,
                                              cudnnNanPropagation_t::Yes, 2, window, pads,
                                              strides));
  CUdeviceptr y = put({0});
  ASSERT_OK(dnn_->cudnnPoolingForward(handle_.get(), pooling.get(), &one_, one_channel_.get(),
                                      pointer(put({1, 7, 3, 4})), &zero_, bias_.get(), pointer(y)));
  EXPECT_EQ(get(y, 1), std::vector<float>{7});
}

TEST_F(CudnnDeviceTest, ErrorsCarryItsNameForThem) {
  Status s = check(dnn_->cudnnSetTensor4dDescriptor(one_channel_.get(), cudnnTensorFormat_t::Nhwc,
                                                    cudnnDataType_t::F32, 1, -1, 2, 2),
                   "a tensor of -1 channels");
  EXPECT_FALSE(s.ok());
  EXPECT_EQ(s.message().rfind("a tensor of -1 channels: CUDNN_STATUS_", 0), 0u) << s.message();
}

}  // namespace
}  // namespace lathe::cuda
