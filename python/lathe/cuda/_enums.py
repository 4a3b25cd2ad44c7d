# SPDX-License-Identifier: Apache-2.0
"""CUDA's numbers that scripts name, with CUDA's names and values."""
import enum

from .. import errors

cudaStreamDefault = 0
cudaStreamNonBlocking = 1
cudaEventDefault = 0
cudaEventBlockingSync = 1
cudaEventDisableTiming = 2
cudaEventInterprocess = 4
cudaEventRecordDefault = 0
cudaEventRecordExternal = 1
cudaEventWaitDefault = 0
cudaEventWaitExternal = 1
cudaHostAllocDefault = 0
cudaHostAllocPortable = 1
cudaHostAllocMapped = 2
cudaHostAllocWriteCombined = 4
cudaHostRegisterDefault = 0
cudaHostRegisterPortable = 1
cudaHostRegisterMapped = 2
cudaMemAttachGlobal = 1
cudaMemAttachHost = 2

# The errors that Lathe tells apart, equal in the runtime and the driver.
_ERRORS = (
    # value, runtime, driver, what it says
    (0, "cudaSuccess", "CUDA_SUCCESS", "no error"),
    (1, "cudaErrorInvalidValue", "CUDA_ERROR_INVALID_VALUE", "invalid argument"),
    (2, "cudaErrorMemoryAllocation", "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"),
    (3, "cudaErrorInitializationError", "CUDA_ERROR_NOT_INITIALIZED", "initialization error"),
    (100, "cudaErrorNoDevice", "CUDA_ERROR_NO_DEVICE", "no device was found"),
    (101, "cudaErrorInvalidDevice", "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"),
    (400, "cudaErrorInvalidResourceHandle", "CUDA_ERROR_INVALID_HANDLE", "invalid handle"),
    (600, "cudaErrorNotReady", "CUDA_ERROR_NOT_READY", "device not ready"),
    (719, "cudaErrorLaunchFailure", "CUDA_ERROR_LAUNCH_FAILED", "the device failed"),
    (801, "cudaErrorNotSupported", "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"),
    (999, "cudaErrorUnknown", "CUDA_ERROR_UNKNOWN", "unknown error"),
)
cudaError_t = enum.IntEnum("cudaError_t", {row[1]: row[0] for row in _ERRORS}, module=__name__)
CUresult = enum.IntEnum("CUresult", {row[2]: row[0] for row in _ERRORS}, module=__name__)
MESSAGES = {row[0]: row[3] for row in _ERRORS}


def error_number(error):
    """CUDA's number for an exception of Lathe's."""
    for kind, number in ((errors.OutOfMemory, 2), (errors.NotFoundError, 101),
                         (errors.UnsupportedError, 801), (errors.DeviceError, 719),
                         (errors.InputError, 1)):
        if isinstance(error, kind):
            return number
    return 999


class cudaMemcpyKind(enum.IntEnum):
    cudaMemcpyHostToHost = 0
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2
    cudaMemcpyDeviceToDevice = 3
    cudaMemcpyDefault = 4


class cudaStreamCaptureMode(enum.IntEnum):
    cudaStreamCaptureModeGlobal = 0
    cudaStreamCaptureModeThreadLocal = 1
    cudaStreamCaptureModeRelaxed = 2


class cudaStreamCaptureStatus(enum.IntEnum):
    cudaStreamCaptureStatusNone = 0
    cudaStreamCaptureStatusActive = 1
    cudaStreamCaptureStatusInvalidated = 2


class cudaMemoryType(enum.IntEnum):
    cudaMemoryTypeUnregistered = 0
    cudaMemoryTypeHost = 1
    cudaMemoryTypeDevice = 2
    cudaMemoryTypeManaged = 3


# number, PyCUDA's name (CU_DEVICE_ATTRIBUTE_ and this is the driver's), the runtime's (after
# cudaDevAttr).
_ATTRIBUTES = (
    (1, "MAX_THREADS_PER_BLOCK", "MaxThreadsPerBlock"),
    (2, "MAX_BLOCK_DIM_X", "MaxBlockDimX"),
    (3, "MAX_BLOCK_DIM_Y", "MaxBlockDimY"),
    (4, "MAX_BLOCK_DIM_Z", "MaxBlockDimZ"),
    (5, "MAX_GRID_DIM_X", "MaxGridDimX"),
    (6, "MAX_GRID_DIM_Y", "MaxGridDimY"),
    (7, "MAX_GRID_DIM_Z", "MaxGridDimZ"),
    (8, "MAX_SHARED_MEMORY_PER_BLOCK", "MaxSharedMemoryPerBlock"),
    (9, "TOTAL_CONSTANT_MEMORY", "TotalConstantMemory"),
    (10, "WARP_SIZE", "WarpSize"),
    (12, "MAX_REGISTERS_PER_BLOCK", "MaxRegistersPerBlock"),
    (13, "CLOCK_RATE", "ClockRate"),
    (16, "MULTIPROCESSOR_COUNT", "MultiProcessorCount"),
    (17, "KERNEL_EXEC_TIMEOUT", "KernelExecTimeout"),
    (18, "INTEGRATED", "Integrated"),
    (19, "CAN_MAP_HOST_MEMORY", "CanMapHostMemory"),
    (20, "COMPUTE_MODE", "ComputeMode"),
    (31, "CONCURRENT_KERNELS", "ConcurrentKernels"),
    (32, "ECC_ENABLED", "EccEnabled"),
    (33, "PCI_BUS_ID", "PciBusId"),
    (34, "PCI_DEVICE_ID", "PciDeviceId"),
    (36, "MEMORY_CLOCK_RATE", "MemoryClockRate"),
    (37, "GLOBAL_MEMORY_BUS_WIDTH", "GlobalMemoryBusWidth"),
    (38, "L2_CACHE_SIZE", "L2CacheSize"),
    (39, "MAX_THREADS_PER_MULTIPROCESSOR", "MaxThreadsPerMultiProcessor"),
    (40, "ASYNC_ENGINE_COUNT", "AsyncEngineCount"),
    (41, "UNIFIED_ADDRESSING", "UnifiedAddressing"),
    (75, "COMPUTE_CAPABILITY_MAJOR", "ComputeCapabilityMajor"),
    (76, "COMPUTE_CAPABILITY_MINOR", "ComputeCapabilityMinor"),
    (81, "MAX_SHARED_MEMORY_PER_MULTIPROCESSOR", "MaxSharedMemoryPerMultiprocessor"),
    (82, "MAX_REGISTERS_PER_MULTIPROCESSOR", "MaxRegistersPerMultiprocessor"),
    (83, "MANAGED_MEMORY", "ManagedMemory"),
    (97, "MAX_SHARED_MEMORY_PER_BLOCK_OPTIN", "MaxSharedMemoryPerBlockOptin"),
)
device_attribute = enum.IntEnum("device_attribute", {a[1]: a[0] for a in _ATTRIBUTES},
                                module=__name__)
CUdevice_attribute = enum.IntEnum(
    "CUdevice_attribute", {f"CU_DEVICE_ATTRIBUTE_{a[1]}": a[0] for a in _ATTRIBUTES},
    module=__name__)
cudaDeviceAttr = enum.IntEnum("cudaDeviceAttr", {f"cudaDevAttr{a[2]}": a[0] for a in _ATTRIBUTES},
                              module=__name__)


def attribute(device, number):
    """An attribute of a device; of the CPU the few that mean something, and 0 for the rest."""
    number = int(number)
    if device.is_gpu:
        return device.core.attribute(number)
    known = {16: device.properties.multiprocessors, 10: 1, 1: 1, 18: 1, 19: 1, 41: 1, 83: 1}
    return known.get(number, 0)
