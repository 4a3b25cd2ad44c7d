// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/compile/nvrtc_compiler.h"

#include "backends/cuda/api/nvrtc.h"

namespace lathe::cuda {
namespace {

class NvrtcCompiler : public KernelCompiler {
 public:
  explicit NvrtcCompiler(const Nvrtc& nvrtc) : nvrtc_(nvrtc) {}

  // Expressions promise a rounding after every instruction, so nothing is contracted; kernels that
  // want a fused multiply-add write one.
  Result<std::vector<std::byte>> compile(const std::string& source, int sm) override {
    const std::string options[] = {"--std=c++17", "--fmad=false",
                                   "--device-as-default-execution-space"};
    return nvrtc_.compile(source, "kernel.cu", fmt::format("sm_{}", sm), options);
  }
  std::string version() const override {
    return fmt::format("nvrtc {}.{}", nvrtc_.version / 1000, nvrtc_.version % 1000 / 10);
  }

 private:
  const Nvrtc& nvrtc_;
};

}  // namespace

Result<std::unique_ptr<KernelCompiler>> make_nvrtc_compiler() {
  const Nvrtc& nvrtc = *LATHE_TRY(Nvrtc::open());
  return std::unique_ptr<KernelCompiler>(std::make_unique<NvrtcCompiler>(nvrtc));
}

}  // namespace lathe::cuda
