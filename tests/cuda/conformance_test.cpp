// SPDX-License-Identifier: Apache-2.0
// Every CUDA tactic against the reference on every operator's cases, on a GPU: poisoned outputs,
// canaries around every buffer, run directly and from a captured graph. Needs NVRTC for the
// kernels.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include "backends/cpu/cpu_device.h"
#include "backends/cuda/compile/nvrtc_compiler.h"
#include "backends/cuda/cuda_device.h"
#include "subjects.h"
#include "tuner/test_data.h"

namespace lathe {
namespace {

class Packs : public PackCache {
 public:
  Result<std::shared_ptr<void>> get(const std::string& key,
                                    Result<std::shared_ptr<void>> (*make)(void*),
                                    void* state) override {
    if (auto it = packs_.find(key); it != packs_.end()) return it->second;
    std::shared_ptr<void> made = LATHE_TRY(make(state));
    packs_.emplace(key, made);
    return made;
  }

 private:
  std::map<std::string, std::shared_ptr<void>> packs_;
};

const std::optional<Slice>& slice_at(const std::vector<std::optional<Slice>>& slices, size_t k) {
  static const std::optional<Slice> kNone;
  return k < slices.size() ? slices[k] : kNone;
}

struct Counts {
  int ran = 0, declined = 0, refused = 0, wrong = 0;
  double bound_used = 0;
};

class CudaConformance : public testing::Test {
 protected:
  void SetUp() override {
    host_ = cpu::make_cpu_device();
    Result<std::unique_ptr<Device>> gpu = cuda::make_cuda_device(0, *host_);
    if (!gpu.ok()) GTEST_SKIP() << gpu.status().message();
    gpu_ = *std::move(gpu);
    gpu_->allow_tf32(true);  // offered beside what is exact
    Result<std::unique_ptr<KernelCompiler>> compiler = cuda::make_nvrtc_compiler();
    if (!compiler.ok()) GTEST_SKIP() << compiler.status().message();
    compiler_ = *std::move(compiler);
    stream_ = *gpu_->open_stream();
  }

  Result<std::vector<std::byte>> cubin(const Tactic& t, const OpInstance& op, const Config& c) {
    if (t.source == nullptr) return std::vector<std::byte>{};
    std::string text = LATHE_TRY(t.source(op, c, gpu_->info()));
    auto it = compiled_.find(text);
    if (it != compiled_.end()) return it->second;
    std::vector<std::byte> blob = LATHE_TRY(compiler_->compile(text, gpu_->info().sm));
    return compiled_.emplace(std::move(text), std::move(blob)).first->second;
  }

  // Operands and results as the tactic sees them.
  struct Bench {
    std::vector<std::optional<TestBuffer>> in;
    std::vector<TestBuffer> out;
    std::vector<void*> in_at, out_at;
  };
  Result<Bench> make_bench(const CudaSubject& s) {
    Bench b;
    for (size_t k = 0; k < s.op.in.size(); ++k) {
      b.in.emplace_back();
      b.in_at.push_back(nullptr);
      if (s.op.in[k].absent()) continue;
      b.in[k] = LATHE_TRY(
          TestBuffer::make(*gpu_, *stream_, s.op.in[k], slice_at(s.op.fusion.in_slice, k)));
      LATHE_TRY(b.in[k]->write(s.inputs[k], *stream_));
      b.in_at[k] = b.in[k]->data();
    }
    for (size_t k = 0; k < s.op.out.size(); ++k) {
      b.out.push_back(LATHE_TRY(
          TestBuffer::make(*gpu_, *stream_, s.op.out[k], slice_at(s.op.fusion.out_slice, k))));
      b.out_at.push_back(b.out[k].data());
    }
    return b;
  }

  Status run_and_compare(const Prepared& p, const CudaSubject& s, Bench& b, void* workspace,
                         const Expectation& expected, const Config& c, Counts& counts,
                         bool captured) {
    for (TestBuffer& o : b.out) LATHE_TRY(o.poison(*stream_));
    auto work = [&] { return p.launch({b.in_at, b.out_at, workspace}, *stream_); };
    if (captured) {
      std::unique_ptr<Captured> graph = LATHE_TRY(gpu_->capture(*stream_, work));
      LATHE_TRY(graph->launch(*stream_));
      LATHE_TRY(stream_->synchronize());
    } else {
      LATHE_TRY(work());
    }
    LATHE_TRY(stream_->synchronize());
    std::vector<HostTensor> outputs;
    for (TestBuffer& o : b.out) {
      LATHE_TRY(o.check_canaries(*stream_));
      outputs.push_back(LATHE_TRY(o.read(*stream_)));
    }
    for (const auto& i : b.in) {
      if (i) LATHE_TRY(i->check_canaries(*stream_));
    }
    Certificate certificate;
    LATHE_TRY(expected.compare(s.op, outputs, certificate, operand_roundoff(s.op, c)));
    counts.bound_used = std::max(counts.bound_used, certificate.bound_used);
    return {};
  }

  Status try_config(const Tactic& t, const Config& c, const CudaSubject& s,
                    const Expectation& expected, Counts& counts) {
    Packs packs;
    const std::vector<std::byte> blob = LATHE_TRY(cubin(t, s.op, c));
    std::vector<HostTensor> constants(s.op.in.size());
    for (size_t k = 0; k < constants.size(); ++k) {
      if (s.op.is_constant(static_cast<int>(k))) constants[k] = s.inputs[k];
    }
    Result<std::unique_ptr<Prepared>> p = t.load({s.op, c, blob, constants, *gpu_, packs, {}});
    if (!p.ok() && p.status().code() == Code::Unsupported && t.source == nullptr) {
      ++counts.refused;  // a library that does not do it after all
      return {};
    }
    LATHE_TRY(p.status());
    ++counts.ran;
    Bench bench = LATHE_TRY(make_bench(s));
    for (size_t k = 0; k < bench.in_at.size(); ++k) {
      const bool packed =
          s.op.is_constant(static_cast<int>(k)) && (((*p)->plain_constants >> k) & 1) == 0;
      if (packed) bench.in_at[k] = nullptr;
    }
    std::unique_ptr<Memory> workspace = LATHE_TRY(gpu_->allocate((*p)->workspace_bytes + 64));
    LATHE_TRY(gpu_->fill(workspace->data(), 0xFF, workspace->size(), *stream_));
    LATHE_TRY(run_and_compare(**p, s, bench, workspace->data(), expected, c, counts, false));
    if (!(*p)->capturable) return {};
    return run_and_compare(**p, s, bench, workspace->data(), expected, c, counts, true)
        .at("captured");
  }

  void try_subject(const CudaSubject& s, bool references) {
    std::optional<Expectation> expected;
    for (const Tactic* t : gpu_->tactics()) {
      const bool mine = t->op == s.op.def->name || (references && t->op == "*");
      if (!mine) continue;
      Counts& counts = counts_[std::string(t->name)];
      if (!t->supports(s.op, gpu_->info())) {
        ++counts.declined;
        continue;
      }
      if (!expected) {
        Result<Expectation> e = Expectation::make(s.op, s.inputs, 5, true);
        ASSERT_TRUE(e.ok()) << s.where << ": " << e.status().message();
        expected = *std::move(e);
      }
      std::vector<Config> configs{{}};
      if (t->configs != nullptr) configs = t->configs(s.op, gpu_->info());
      for (const Config& c : configs) {
        Status r = try_config(*t, c, s, *expected, counts);
        if (r.ok()) continue;
        ++counts.wrong;
        // A library may be wrong; the tuner's check then drops it. Our own kernels may not.
        const bool ours = t->source != nullptr || is_plain_reference(*t, c);
        std::printf("WRONG %s [%s] %s\n  %s\n", std::string(t->name).c_str(), c.c_str(),
                    s.where.c_str(), r.message().c_str());
        EXPECT_FALSE(ours) << t->name << ", " << s.where << ": " << r.message();
        ASSERT_NE(r.code(), Code::DeviceLost) << t->name << ", " << s.where << ": " << r.message();
      }
    }
  }

  void TearDown() override {
    for (const auto& [name, c] : counts_) {
      std::printf("%-26s ran %5d  declined %5d  refused %4d  wrong %3d  bound used %.2f\n",
                  name.c_str(), c.ran, c.declined, c.refused, c.wrong, c.bound_used);
    }
  }

  std::unique_ptr<Device> host_, gpu_;
  std::unique_ptr<KernelCompiler> compiler_;
  std::unique_ptr<Stream> stream_;
  std::map<std::string, std::vector<std::byte>> compiled_;
  std::map<std::string, Counts> counts_;
};

TEST_F(CudaConformance, EveryTacticAgreesWithTheReferenceOnEveryCase) {
  size_t number = 0;
  for (const CudaSubject& s : subjects()) {
    try_subject(s, number++ % 8 == 0);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace lathe
