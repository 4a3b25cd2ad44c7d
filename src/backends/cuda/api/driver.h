// SPDX-License-Identifier: Apache-2.0
#pragma once
// What Lathe calls of the CUDA driver, declared by us and loaded from libcuda.so.1 at run time, so
// that neither the build nor a machine without a GPU needs anything of CUDA. Types keep the
// driver's names; api/check compares every declaration with the real header where there is one.
//
//   const Driver& cuda = *LATHE_TRY(Driver::open());
//   OwnedDeviceMemory arena;
//   LATHE_TRY(check(cuda.cuMemAlloc_v2(arena.out(), bytes), "the arena"));
#include <cstddef>
#include <string_view>
#include <type_traits>

#include "backends/cuda/api/owned.h"
#include "base/status.h"

namespace lathe::cuda {

using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st*;
using CUmodule = struct CUmod_st*;
using CUfunction = struct CUfunc_st*;
using CUstream = struct CUstream_st*;
using CUevent = struct CUevent_st*;
using CUgraph = struct CUgraph_st*;
using CUgraphNode = struct CUgraphNode_st*;
using CUgraphExec = struct CUgraphExec_st*;

// Only the values that Lathe tells apart; the driver returns others too.
enum class CUresult : unsigned {
  Success = 0,
  InvalidValue = 1,
  OutOfMemory = 2,
  Deinitialized = 4,
  StubLibrary = 34,
  DeviceUnavailable = 46,
  NoDevice = 100,
  InvalidDevice = 101,
  InvalidImage = 200,
  InvalidContext = 201,
  NoBinaryForGpu = 209,
  EccUncorrectable = 214,
  UnsupportedPtxVersion = 222,
  NvlinkUncorrectable = 220,
  Contained = 226,
  InvalidHandle = 400,
  NotFound = 500,
  NotReady = 600,
  IllegalAddress = 700,
  LaunchOutOfResources = 701,
  LaunchTimeout = 702,
  ContextIsDestroyed = 709,
  Assert = 710,
  HardwareStackError = 714,
  IllegalInstruction = 715,
  MisalignedAddress = 716,
  InvalidAddressSpace = 717,
  InvalidPc = 718,
  LaunchFailed = 719,
  NotPermitted = 800,
  NotSupported = 801,
  SystemNotReady = 802,
  SystemDriverMismatch = 803,
  CompatNotSupportedOnDevice = 804,
  StreamCaptureUnsupported = 900,
  StreamCaptureInvalidated = 901,
  Unknown = 999,
};

enum class CUdevice_attribute : unsigned {
  MaxThreadsPerBlock = 1,
  ClockRate = 13,  // kHz
  MultiprocessorCount = 16,
  Integrated = 18,
  MemoryClockRate = 36,       // kHz
  GlobalMemoryBusWidth = 37,  // bits
  L2CacheSize = 38,           // bytes
  MaxThreadsPerMultiprocessor = 39,
  ComputeCapabilityMajor = 75,
  ComputeCapabilityMinor = 76,
  MaxSharedMemoryPerMultiprocessor = 81,  // bytes
  MaxRegistersPerMultiprocessor = 82,
  MaxSharedMemoryPerBlockOptin = 97,  // bytes
};

enum class CUfunction_attribute : unsigned {
  MaxThreadsPerBlock = 0,
  SharedSizeBytes = 1,
  LocalSizeBytes = 3,
  NumRegs = 4,
  MaxDynamicSharedSizeBytes = 8,
  PreferredSharedMemoryCarveout = 9,
};

enum class CUpointer_attribute : unsigned { Context = 1, MemoryType = 2, DeviceOrdinal = 9 };
enum class CUmemorytype : unsigned { Host = 1, Device = 2, Array = 3, Unified = 4 };
enum class CUjit_option : unsigned { ErrorLogBuffer = 5, ErrorLogBufferSizeBytes = 6 };
enum class CUstreamCaptureStatus : unsigned { None = 0, Active = 1, Invalidated = 2 };
enum class CUstreamCaptureMode : unsigned { Global = 0, ThreadLocal = 1, Relaxed = 2 };

inline constexpr unsigned kStreamNonBlocking = 1;   // cuStreamCreate
inline constexpr unsigned kEventDisableTiming = 2;  // cuEventCreate

// The driver's functions, each a member named as its exported symbol.
struct Driver {
#define FUNCTION(result, symbol, parameters) std::add_pointer_t<result parameters> symbol = nullptr;
#include "backends/cuda/api/driver.def"
#undef FUNCTION
  int version = 0;  // of CUDA, as the driver says it: 12040 is 12.4

  // The driver, initialised. Loaded once in a process, from any thread; a failure stays, too.
  // NotFound without a driver or a device, Unsupported when the driver is too old.
  static Result<const Driver*> open();
};

// Ok on success. OutOfMemory; NotFound for an absent device; Unsupported when this GPU or driver
// cannot do it; DeviceLost when the machine or the context failed and no later call can succeed;
// Internal for the rest. The message is `what`, the error's name and the driver's sentence for it.
Status check(CUresult result, std::string_view what);

// For Owned; errors are ignored, for a destructor has nobody to tell. Memory and modules want the
// context that they were made in to be current.
void destroy_stream(CUstream stream) noexcept;
void destroy_event(CUevent event) noexcept;
void destroy_graph(CUgraph graph) noexcept;
void destroy_graph_exec(CUgraphExec exec) noexcept;
void unload_module(CUmodule module) noexcept;
void free_device_memory(CUdeviceptr pointer) noexcept;
void free_pinned_memory(void* pointer) noexcept;

using OwnedStream = Owned<CUstream, destroy_stream>;
using OwnedEvent = Owned<CUevent, destroy_event>;
using OwnedGraph = Owned<CUgraph, destroy_graph>;
using OwnedGraphExec = Owned<CUgraphExec, destroy_graph_exec>;
using OwnedModule = Owned<CUmodule, unload_module>;
using OwnedDeviceMemory = Owned<CUdeviceptr, free_device_memory>;
using OwnedPinnedMemory = Owned<void*, free_pinned_memory>;

}  // namespace lathe::cuda
