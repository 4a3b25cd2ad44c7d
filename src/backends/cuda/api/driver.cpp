// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/api/driver.h"

#include <string>

#include "backends/cuda/api/library.h"

namespace lathe::cuda {
namespace {

// CUDA 12.0: the first whose driver has every function of driver.def in the version named there.
constexpr int kOldestVersion = 12000;
constexpr const char* kExpected = "an NVIDIA driver for CUDA 12 or newer (525 or newer)";
constexpr const char* kCure =
    "install an NVIDIA driver, 525 or newer, or let LATHE_LIBCUDA name its libcuda.so.1; "
    "--device cpu needs none";

Code code_of(CUresult result) {
  switch (result) {
    case CUresult::Success: return Code::Ok;
    case CUresult::OutOfMemory: return Code::OutOfMemory;
    case CUresult::NoDevice:
    case CUresult::InvalidDevice: return Code::NotFound;
    case CUresult::StubLibrary:
    case CUresult::NoBinaryForGpu:
    case CUresult::UnsupportedPtxVersion:
    case CUresult::NotSupported:
    case CUresult::CompatNotSupportedOnDevice: return Code::Unsupported;
    // The machine, or a fault in a kernel, after which every call in the context fails.
    case CUresult::Deinitialized:
    case CUresult::DeviceUnavailable:
    case CUresult::EccUncorrectable:
    case CUresult::NvlinkUncorrectable:
    case CUresult::Contained:
    case CUresult::IllegalAddress:
    case CUresult::LaunchTimeout:
    case CUresult::ContextIsDestroyed:
    case CUresult::Assert:
    case CUresult::HardwareStackError:
    case CUresult::IllegalInstruction:
    case CUresult::MisalignedAddress:
    case CUresult::InvalidAddressSpace:
    case CUresult::InvalidPc:
    case CUresult::LaunchFailed:
    case CUresult::SystemNotReady:
    case CUresult::SystemDriverMismatch:
    case CUresult::Unknown: return Code::DeviceLost;
    default: return Code::Internal;
  }
}

Status describe(const Driver& cuda, CUresult result, std::string_view what) {
  const char* name = nullptr;
  const char* text = nullptr;
  if (cuda.cuGetErrorName) cuda.cuGetErrorName(result, &name);
  if (cuda.cuGetErrorString) cuda.cuGetErrorString(result, &text);
  const unsigned number = static_cast<unsigned>(result);
  return Status(code_of(result), name ? fmt::format("{}: {} ({})", what, name, text ? text : "")
                                      : fmt::format("{}: CUDA error {}", what, number));
}

Result<Driver> load() {
  Library library =
      LATHE_TRY(Library::open({"the NVIDIA driver", "LATHE_LIBCUDA", {"libcuda.so.1"}, kCure}));
  Driver cuda;
#define FUNCTION(result, symbol, parameters) library.find(#symbol, cuda.symbol);
#define NEWER_FUNCTION(result, symbol, parameters)
#include "backends/cuda/api/driver.def"
#undef FUNCTION
  if (Status s = library.complete(kExpected); !s.ok()) return std::move(s).with_cure(kCure);
  if (CUresult r = cuda.cuDriverGetVersion(&cuda.version); r != CUresult::Success) {
    return describe(cuda, r, library.path()).with_cure(kCure);
  }
  if (cuda.version < kOldestVersion) {
    return unsupported("{} is a driver for CUDA {}.{}: expected {}", library.path(),
                       cuda.version / 1000, cuda.version % 1000 / 10, kExpected)
        .with_cure(kCure);
  }
  if (CUresult r = cuda.cuInit(0); r != CUresult::Success) {
    return describe(cuda, r, "the NVIDIA driver could not start")
        .with_cure("see what nvidia-smi says; --device cpu needs no GPU");
  }
#define FUNCTION(result, symbol, parameters)
#define NEWER_FUNCTION(result, symbol, parameters) library.find(#symbol, cuda.symbol);
#include "backends/cuda/api/driver.def"
#undef FUNCTION
  return cuda;
}

// The loaded functions; present wherever a handle of theirs is.
const Driver* loaded() noexcept {
  Result<const Driver*> cuda = Driver::open();
  return cuda.ok() ? *cuda : nullptr;
}

}  // namespace

Result<const Driver*> Driver::open() {
  static const Result<Driver> cuda = load();
  if (!cuda.ok()) return cuda.status();
  return &*cuda;
}

Status check(CUresult result, std::string_view what) {
  if (result == CUresult::Success) return {};
  static constexpr Driver kNone;
  const Driver* cuda = loaded();
  return describe(cuda ? *cuda : kNone, result, what);
}

void destroy_stream(CUstream stream) noexcept {
  if (auto* cuda = loaded()) cuda->cuStreamDestroy_v2(stream);
}
void destroy_event(CUevent event) noexcept {
  if (auto* cuda = loaded()) cuda->cuEventDestroy_v2(event);
}
void destroy_graph(CUgraph graph) noexcept {
  if (auto* cuda = loaded()) cuda->cuGraphDestroy(graph);
}
void destroy_graph_exec(CUgraphExec exec) noexcept {
  if (auto* cuda = loaded()) cuda->cuGraphExecDestroy(exec);
}
void unload_module(CUmodule module) noexcept {
  if (auto* cuda = loaded()) cuda->cuModuleUnload(module);
}
void free_device_memory(CUdeviceptr pointer) noexcept {
  if (auto* cuda = loaded()) cuda->cuMemFree_v2(pointer);
}
void free_pinned_memory(void* pointer) noexcept {
  if (auto* cuda = loaded()) cuda->cuMemFreeHost(pointer);
}

}  // namespace lathe::cuda
