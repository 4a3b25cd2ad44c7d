// SPDX-License-Identifier: Apache-2.0
// Every kernel of every CUDA tactic, over every operator's cases, compiles for every GPU that Lathe
// runs on. Needs NVRTC, no GPU. LATHE_ALL_GPUS=1 compiles each text for all of them; else each for
// sm_90 and one of the others in turn.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "backends/cuda/compile/nvrtc_compiler.h"
#include "backends/cuda/cuda_device.h"
#include "device/tactic.h"
#include "subjects.h"

namespace lathe {
namespace {

constexpr int kOthers[] = {80, 86, 87, 89};

DeviceInfo gpu(int sm) {
  DeviceInfo info;
  info.kind = DeviceKind::Cuda;
  info.name = "no device";
  info.sm = sm;
  info.features = fmt::format("sm_{}", sm);
  info.multiprocessors = 100;
  info.flops_f32 = 5e13;
  info.bytes_per_second = 2e12;
  return info;
}

TEST(CudaCompile, EveryKernelOfEveryCaseCompilesForEveryGpu) {
  Result<std::unique_ptr<KernelCompiler>> compiler = cuda::make_nvrtc_compiler();
  if (!compiler.ok()) GTEST_SKIP() << compiler.status().message();
  const bool all_gpus = std::getenv("LATHE_ALL_GPUS") != nullptr;
  std::map<std::string, int> texts_of;
  std::set<std::string> seen;
  for (const CudaSubject& s : subjects()) {
    for (const Tactic* t : cuda::tactics()) {
      if (t->source == nullptr || t->op != s.op.def->name) continue;
      if (!t->supports(s.op, gpu(90))) continue;
      Result<std::string> text = t->source(s.op, {}, gpu(90));
      ASSERT_TRUE(text.ok()) << t->name << ", " << s.where << ": " << text.status().message();
      if (!seen.insert(*text).second) continue;
      ++texts_of[std::string(t->name)];
      std::vector<int> sms{90, kOthers[seen.size() % std::size(kOthers)]};
      if (all_gpus) sms.assign({90, 80, 86, 87, 89});
      for (int sm : sms) {
        Result<std::vector<std::byte>> cubin = (*compiler)->compile(*text, sm);
        EXPECT_TRUE(cubin.ok()) << t->name << ", " << s.where << ": " << cubin.status().message();
      }
    }
  }
  if (std::getenv("LATHE_SHARD") != nullptr) return;
  for (const Tactic* t : cuda::tactics()) {
    if (t->source == nullptr) continue;
    EXPECT_GT(texts_of[std::string(t->name)], 0) << t->name << " compiled no case";
  }
}

}  // namespace
}  // namespace lathe
