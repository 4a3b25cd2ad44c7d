// SPDX-License-Identifier: Apache-2.0
// What opening the driver and the libraries promises on any machine; api_device_test.cpp asks a
// GPU.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "backends/cuda/api/cublaslt.h"
#include "backends/cuda/api/cudnn.h"
#include "backends/cuda/api/driver.h"
#include "backends/cuda/api/nvrtc.h"

namespace lathe::cuda {
namespace {

constexpr const char* kScale =
    "extern \"C\" __global__ void scale(float* x, float by, int n) {\n"
    "  int i = blockIdx.x * blockDim.x + threadIdx.x;\n"
    "  if (i < n) x[i] *= by;\n"
    "}\n";

// A failure to open is a good one: a sentence on one line that names what was tried (`name`, or the
// file that a variable of the user names), and what to do.
void expect_told(const Status& s, const char* name) {
  const std::string message = s.message();
  EXPECT_TRUE(message.find(name) != std::string::npos ||
              message.find("(from LATHE_") != std::string::npos)
      << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  EXPECT_FALSE(s.cure().empty());
}

TEST(Driver, WithoutOneSaysWhichLibraryWasTriedAndWhatToDo) {
  Result<const Driver*> cuda = Driver::open();
  if (cuda.ok()) GTEST_SKIP() << "this machine has an NVIDIA driver";
  if (cuda.status().message().find("not available") == std::string::npos) {
    GTEST_SKIP() << "this machine has a driver that does not start: " << cuda.status().message();
  }
  EXPECT_EQ(cuda.status().code(), Code::NotFound);
  expect_told(cuda.status(), "libcuda.so.1");
}

TEST(Driver, OpensOnceForAllThreads) {
  const Driver* there = nullptr;
  std::thread other([&] {
    Result<const Driver*> cuda = Driver::open();
    if (cuda.ok()) there = *cuda;
  });
  other.join();
  Result<const Driver*> here = Driver::open();
  EXPECT_EQ(here.ok() ? *here : nullptr, there);
}

TEST(Driver, ErrorsMapToCodes) {
  EXPECT_TRUE(check(CUresult::Success, "x").ok());
  EXPECT_EQ(check(CUresult::OutOfMemory, "x").code(), Code::OutOfMemory);
  EXPECT_EQ(check(CUresult::IllegalAddress, "x").code(), Code::DeviceLost);
  EXPECT_EQ(check(CUresult::EccUncorrectable, "x").code(), Code::DeviceLost);
  EXPECT_EQ(check(CUresult::NoDevice, "x").code(), Code::NotFound);
  EXPECT_EQ(check(CUresult::NoBinaryForGpu, "x").code(), Code::Unsupported);
  EXPECT_EQ(check(CUresult::InvalidValue, "x").code(), Code::Internal);
  EXPECT_EQ(check(CUresult::OutOfMemory, "the arena").message().rfind("the arena: CUDA", 0), 0u);
}

class NvrtcTest : public testing::Test {
 protected:
  void SetUp() override {
    Result<const Nvrtc*> opened = Nvrtc::open();
    if (!opened.ok()) {
      expect_told(opened.status(), "libnvrtc.so");
      GTEST_SKIP() << opened.status().message();
    }
    nvrtc_ = *opened;
  }
  bool compiles_for(int sm) const {
    return std::binary_search(nvrtc_->archs.begin(), nvrtc_->archs.end(), sm);
  }

  const Nvrtc* nvrtc_ = nullptr;
};

TEST_F(NvrtcTest, CompilesForEverySupportedGpu) {
  for (int sm : {80, 86, 87, 89, 90}) {
    ASSERT_TRUE(compiles_for(sm)) << sm;
    auto cubin = nvrtc_->compile(kScale, "scale", fmt::format("sm_{}", sm));
    ASSERT_TRUE(cubin.ok()) << cubin.status().message();
    ASSERT_GT(cubin->size(), 64u);
    EXPECT_EQ(std::memcmp(cubin->data(),
                          "\x7f"
                          "ELF",
                          4),
              0);
  }
}

TEST_F(NvrtcTest, CompilesTheSameTextToTheSameBytes) {
  auto once = nvrtc_->compile(kScale, "scale", "sm_90");
  auto again = nvrtc_->compile(kScale, "scale", "sm_90");
  ASSERT_TRUE(once.ok() && again.ok());
  EXPECT_EQ(*once, *again);
}

TEST_F(NvrtcTest, PassesOptionsOn) {
  const std::string source = "extern \"C\" __global__ void f(int* x) { *x = WIDTH; }";
  EXPECT_FALSE(nvrtc_->compile(source, "f", "sm_80").ok());
  const std::string options[] = {"-DWIDTH=4"};
  auto cubin = nvrtc_->compile(source, "f", "sm_80", options);
  EXPECT_TRUE(cubin.ok()) << cubin.status().message();
}

TEST_F(NvrtcTest, ASyntaxErrorCarriesTheCompilersLog) {
  auto cubin = nvrtc_->compile("extern \"C\" __global__ void f( {\n", "broken_kernel", "sm_90");
  ASSERT_FALSE(cubin.ok());
  EXPECT_EQ(cubin.status().code(), Code::Internal);
  const std::string message = cubin.status().message();
  EXPECT_EQ(message.rfind("broken_kernel for sm_90: NVRTC_ERROR_COMPILATION:\n", 0), 0u) << message;
  EXPECT_NE(message.find("broken_kernel(1): error:"), std::string::npos) << message;
}

TEST_F(NvrtcTest, ALongLogIsCutToItsFirstLines) {
  std::string source = "extern \"C\" __global__ void f() {\n";
  for (int i = 0; i < 60; ++i) source += fmt::format("  unknown_{}();\n", i);
  auto cubin = nvrtc_->compile(source + "}\n", "f", "sm_90");
  ASSERT_FALSE(cubin.ok());
  const std::string message = cubin.status().message();
  EXPECT_NE(message.find("unknown_0"), std::string::npos) << message;
  EXPECT_LE(std::count(message.begin(), message.end(), '\n'), 12);
}

TEST_F(NvrtcTest, AnUnknownGpuIsUnsupportedAndTheKnownOnesAreListed) {
  for (const char* arch : {"sm_17", "compute_90", "sm_", "", "sm_99999999999"}) {
    auto cubin = nvrtc_->compile(kScale, "scale", arch);
    ASSERT_FALSE(cubin.ok()) << arch;
    EXPECT_EQ(cubin.status().code(), Code::Unsupported) << arch;
    EXPECT_NE(cubin.status().message().find("sm_90"), std::string::npos);
  }
}

TEST_F(NvrtcTest, AnUnknownOptionSaysSo) {
  const std::string options[] = {"--no-such-option"};
  auto cubin = nvrtc_->compile(kScale, "scale", "sm_90", options);
  ASSERT_FALSE(cubin.ok());
  EXPECT_NE(cubin.status().message().find("--no-such-option"), std::string::npos)
      << cubin.status().message();
}

TEST_F(NvrtcTest, CompilesFromManyThreadsAtOnce) {
  std::vector<std::vector<std::byte>> cubins(4);
  std::vector<std::thread> threads;
  for (auto& cubin : cubins) {
    threads.emplace_back([&] {
      if (auto made = nvrtc_->compile(kScale, "scale", "sm_90"); made.ok()) cubin = *made;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(cubins[0].empty());
  for (auto& cubin : cubins) EXPECT_EQ(cubin, cubins[0]);
}

TEST(CublasLtTest, OpensOrSaysWhy) {
  Result<const CublasLt*> lt = CublasLt::open();
  if (lt.ok()) {
    EXPECT_GE((*lt)->version, 120000u);
  } else {
    expect_told(lt.status(), "libcublasLt.so");
  }
  EXPECT_TRUE(check(cublasStatus_t::Success, "x").ok());
  EXPECT_EQ(check(cublasStatus_t::NotSupported, "x").code(), Code::Unsupported);
  EXPECT_EQ(check(cublasStatus_t::AllocFailed, "x").code(), Code::OutOfMemory);
  EXPECT_EQ(check(cublasStatus_t::ExecutionFailed, "x").code(), Code::DeviceLost);
  EXPECT_EQ(check(cublasStatus_t::InvalidValue, "x").code(), Code::Internal);
}

TEST(CudnnTest, OpensOrSaysWhy) {
  Result<const Cudnn*> dnn = Cudnn::open();
  if (dnn.ok()) {
    EXPECT_GE((*dnn)->version, 90000u);
  } else {
    expect_told(dnn.status(), "libcudnn.so.9");
  }
  EXPECT_TRUE(check(cudnnStatus_t::Success, "x").ok());
  EXPECT_EQ(check(static_cast<cudnnStatus_t>(3004), "x").code(), Code::Unsupported);
  EXPECT_EQ(check(cudnnStatus_t::DeviceAllocationFailed, "x").code(), Code::OutOfMemory);
  EXPECT_EQ(check(cudnnStatus_t::ExecutionFailed, "x").code(), Code::DeviceLost);
  EXPECT_EQ(check(cudnnStatus_t::BadParam, "x").code(), Code::Internal);
}

}  // namespace
}  // namespace lathe::cuda
