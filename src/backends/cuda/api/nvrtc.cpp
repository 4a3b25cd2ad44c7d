// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/api/nvrtc.h"

#include <algorithm>

#include "backends/cuda/api/library.h"

namespace lathe::cuda {
namespace {

constexpr const char* kExpected = "NVRTC of CUDA 11.8 or newer";
constexpr const char* kCure =
    "pip install nvidia-cuda-nvrtc (or the CUDA toolkit) and let LATHE_CUDA_PATH name the folder "
    "of libnvrtc.so.*, or LATHE_NVRTC the file; opening a built engine needs none";
constexpr int kOldestVersion = 11080;  // the first that compiles for sm_90
constexpr std::size_t kLogLines = 12;

Status describe(const Nvrtc& nvrtc, nvrtcResult result, std::string_view what) {
  const Code code = result == nvrtcResult::OutOfMemory ? Code::OutOfMemory : Code::Internal;
  const char* name = nvrtc.nvrtcGetErrorString ? nvrtc.nvrtcGetErrorString(result) : nullptr;
  const unsigned number = static_cast<unsigned>(result);
  return Status(code, name ? fmt::format("{}: {}", what, name)
                           : fmt::format("{}: NVRTC error {}", what, number));
}

Status read_facts(Nvrtc& nvrtc) {
  int major = 0, minor = 0, count = 0;
  if (auto r = nvrtc.nvrtcVersion(&major, &minor); r != nvrtcResult::Success) {
    return describe(nvrtc, r, "nvrtcVersion");
  }
  nvrtc.version = major * 1000 + minor * 10;
  if (auto r = nvrtc.nvrtcGetNumSupportedArchs(&count); r != nvrtcResult::Success) {
    return describe(nvrtc, r, "nvrtcGetNumSupportedArchs");
  }
  nvrtc.archs.resize(static_cast<std::size_t>(std::max(count, 0)));
  if (auto r = nvrtc.nvrtcGetSupportedArchs(nvrtc.archs.data()); r != nvrtcResult::Success) {
    return describe(nvrtc, r, "nvrtcGetSupportedArchs");
  }
  std::sort(nvrtc.archs.begin(), nvrtc.archs.end());
  return {};
}

Result<Nvrtc> load() {
  Library library =
      LATHE_TRY(Library::open({"NVRTC, CUDA's compiler,",
                               "LATHE_NVRTC",
                               {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2"},
                               kCure}));
  Nvrtc nvrtc;
#define FUNCTION(result, symbol, parameters) library.find(#symbol, nvrtc.symbol);
#include "backends/cuda/api/nvrtc.def"
#undef FUNCTION
  if (Status s = library.complete(kExpected); !s.ok()) return std::move(s).with_cure(kCure);
  LATHE_TRY(read_facts(nvrtc));
  if (nvrtc.version < kOldestVersion) {
    return unsupported("{} is of CUDA {}.{}: expected {}", library.path(), nvrtc.version / 1000,
                       nvrtc.version % 1000 / 10, kExpected)
        .with_cure(kCure);
  }
  // NVRTC opens it by this name, and has no folder of its own to look in.
  library.open_beside(
      fmt::format("libnvrtc-builtins.so.{}.{}", nvrtc.version / 1000, nvrtc.version % 1000 / 10));
  return nvrtc;
}

// One compilation; destroys its program on every way out.
class Program {
 public:
  explicit Program(const Nvrtc& nvrtc) : nvrtc_(nvrtc) {}
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    if (program_) nvrtc_.nvrtcDestroyProgram(&program_);
  }

  nvrtcResult create(const std::string& source, const std::string& name) {
    return nvrtc_.nvrtcCreateProgram(&program_, source.c_str(), name.c_str(), 0, nullptr, nullptr);
  }
  nvrtcResult compile(const std::vector<const char*>& options) {
    return nvrtc_.nvrtcCompileProgram(program_, static_cast<int>(options.size()), options.data());
  }
  // The first lines of what the compiler said.
  std::string log() const {
    std::size_t bytes = 0;
    if (nvrtc_.nvrtcGetProgramLogSize(program_, &bytes) != nvrtcResult::Success || !bytes)
      return "";
    std::string text(bytes, '\0');
    if (nvrtc_.nvrtcGetProgramLog(program_, text.data()) != nvrtcResult::Success) return "";
    std::size_t end = 0;
    for (std::size_t line = 0; line < kLogLines && end < text.size(); ++line) {
      end = std::min(text.find('\n', end), text.size() - 1) + 1;
    }
    text.resize(end);
    text.resize(text.find_last_not_of(std::string_view("\n\0", 2)) + 1);
    return text;
  }
  Result<std::vector<std::byte>> cubin() const {
    std::size_t bytes = 0;
    LATHE_TRY(check(nvrtc_.nvrtcGetCUBINSize(program_, &bytes), "nvrtcGetCUBINSize"));
    std::vector<std::byte> code(bytes);
    LATHE_TRY(check(nvrtc_.nvrtcGetCUBIN(program_, reinterpret_cast<char*>(code.data())),
                    "nvrtcGetCUBIN"));
    if (code.empty()) return internal("NVRTC returned no machine code");
    return code;
  }

 private:
  const Nvrtc& nvrtc_;
  nvrtcProgram program_ = nullptr;
};

// "sm_90a" -> 90; -1 when it is no such name.
int number_of(std::string_view arch) {
  if (!arch.starts_with("sm_")) return -1;
  int number = 0;
  std::size_t at = 3;
  for (; at < arch.size() && arch[at] >= '0' && arch[at] <= '9' && number < 1000; ++at) {
    number = number * 10 + (arch[at] - '0');
  }
  return at == 3 || number >= 1000 ? -1 : number;
}

Status check_arch(const Nvrtc& nvrtc, const std::string& arch) {
  if (std::binary_search(nvrtc.archs.begin(), nvrtc.archs.end(), number_of(arch))) return {};
  return unsupported("NVRTC {}.{} does not compile for {}: expected one of sm_{}",
                     nvrtc.version / 1000, nvrtc.version % 1000 / 10, arch,
                     fmt::join(nvrtc.archs, ", sm_"));
}

}  // namespace

Result<const Nvrtc*> Nvrtc::open() {
  static const Result<Nvrtc> nvrtc = load();
  if (!nvrtc.ok()) return nvrtc.status();
  return &*nvrtc;
}

Status check(nvrtcResult result, std::string_view what) {
  if (result == nvrtcResult::Success) return {};
  Result<const Nvrtc*> nvrtc = Nvrtc::open();
  return describe(nvrtc.ok() ? **nvrtc : Nvrtc{}, result, what);
}

Result<std::vector<std::byte>> Nvrtc::compile(const std::string& source, const std::string& name,
                                              const std::string& arch,
                                              std::span<const std::string> options) const {
  LATHE_TRY(check_arch(*this, arch).at(name));
  const std::string gpu = "--gpu-architecture=" + arch;
  std::vector<const char*> words{gpu.c_str()};
  for (const std::string& option : options) words.push_back(option.c_str());

  Program program(*this);
  LATHE_TRY(check(program.create(source, name), name));
  if (nvrtcResult r = program.compile(words); r != nvrtcResult::Success) {
    Status s = describe(*this, r, fmt::format("{} for {}", name, arch));
    return Status(s.code(), fmt::format("{}:\n{}", s.message(), program.log()));
  }
  return program.cubin();
}

}  // namespace lathe::cuda
