# SPDX-License-Identifier: Apache-2.0
"""cuda.bindings.driver (cuda.cuda): the driver's functions that scripts call beside the runtime's.

Each returns a tuple that begins with a `CUresult`. There is one context a device, and it is current.
"""
import functools

from . import cudart
from ._device import device_count, select
from ._enums import CUdevice_attribute, CUresult, MESSAGES, cudaError_t  # noqa: F401
from .cudart import cudaEvent_t as CUevent
from .cudart import cudaGraph_t as CUgraph
from .cudart import cudaGraphExec_t as CUgraphExec
from .cudart import cudaStream_t as CUstream


def _driver(function, *fixed):
    """The runtime's function as the driver's: the same numbers mean the same errors."""
    @functools.wraps(function)
    def call(*args):
        error, *values = function(*args, *fixed)
        return (CUresult(int(error)), *values)
    return call


class CUdevice(int):
    """A device by its number."""


class CUcontext(int):
    """A device's context: its number and one, so that none is 0."""


class cuuint32_t(int):
    """An attribute's value."""


class cuuint64_t(int):
    """An attribute's value."""


class CUdeviceptr(int):
    """An address on the device."""

    def getPtr(self):
        return int(self)


def cuInit(flags=0):
    return (CUresult.CUDA_SUCCESS,)


def cuDeviceGet(ordinal):
    if not 0 <= int(ordinal) < device_count():
        return CUresult.CUDA_ERROR_INVALID_DEVICE, None
    return CUresult.CUDA_SUCCESS, CUdevice(ordinal)


def cuDeviceGetName(length, device):
    error, facts = cudart.cudaGetDeviceProperties(device)
    return CUresult(int(error)), facts and facts.name[:length - 1]


def cuCtxCreate(*args):
    """(flags, device), or (parameters, flags, device) as from CUDA 13."""
    return cuDevicePrimaryCtxRetain(args[-1])


def cuDevicePrimaryCtxRetain(device):
    error, = cudart.cudaSetDevice(device)
    return CUresult(int(error)), CUcontext(int(device) + 1)


def cuCtxGetCurrent():
    return CUresult.CUDA_SUCCESS, CUcontext(int(cudart.cudaGetDevice()[1]) + 1)


def cuCtxSetCurrent(context):
    if int(context):
        select(int(context) - 1)
    return (CUresult.CUDA_SUCCESS,)


def cuCtxPopCurrent():
    return cuCtxGetCurrent()


def cuCtxDestroy(context):
    return (CUresult.CUDA_SUCCESS,)


def cuGetErrorName(error):
    return CUresult.CUDA_SUCCESS, CUresult(int(error)).name.encode()


def cuGetErrorString(error):
    return CUresult.CUDA_SUCCESS, MESSAGES[int(error)].encode()


def cuMemAlloc(size):
    error, address = cudart.cudaMalloc(size)
    return CUresult(int(error)), None if address is None else CUdeviceptr(address)


cuCtxPushCurrent = cuCtxSetCurrent
cuCtxGetDevice = _driver(cudart.cudaGetDevice)
cuCtxSynchronize = _driver(cudart.cudaDeviceSynchronize)
cuDevicePrimaryCtxRelease = cuCtxDestroy
cuDeviceGetAttribute = _driver(cudart.cudaDeviceGetAttribute)
cuDeviceGetCount = _driver(cudart.cudaGetDeviceCount)
cuDriverGetVersion = _driver(cudart.cudaDriverGetVersion)
cuMemFree = _driver(cudart.cudaFree)
cuMemAllocHost = _driver(cudart.cudaMallocHost)
cuMemHostAlloc = _driver(cudart.cudaHostAlloc)
cuMemFreeHost = _driver(cudart.cudaFreeHost)
cuMemGetInfo = _driver(cudart.cudaMemGetInfo)
cuMemcpyHtoD = cuMemcpyDtoH = cuMemcpyDtoD = cuMemcpy = _driver(cudart.cudaMemcpy)
cuMemsetD8 = _driver(cudart.cudaMemset)
cuMemsetD8Async = _driver(cudart.cudaMemsetAsync)
cuStreamCreate = _driver(cudart.cudaStreamCreateWithFlags)
cuStreamDestroy = _driver(cudart.cudaStreamDestroy)
cuStreamSynchronize = _driver(cudart.cudaStreamSynchronize)
cuStreamQuery = _driver(cudart.cudaStreamQuery)
cuStreamWaitEvent = _driver(cudart.cudaStreamWaitEvent)
cuStreamBeginCapture = _driver(cudart.cudaStreamBeginCapture)
cuStreamEndCapture = _driver(cudart.cudaStreamEndCapture)
cuStreamIsCapturing = _driver(cudart.cudaStreamIsCapturing)
cuGraphInstantiate = _driver(cudart.cudaGraphInstantiate)
cuGraphLaunch = _driver(cudart.cudaGraphLaunch)
cuGraphDestroy = _driver(cudart.cudaGraphDestroy)
cuGraphExecDestroy = _driver(cudart.cudaGraphExecDestroy)
cuEventCreate = _driver(cudart.cudaEventCreateWithFlags)
cuEventDestroy = _driver(cudart.cudaEventDestroy)
cuEventRecord = _driver(cudart.cudaEventRecord)
cuEventSynchronize = _driver(cudart.cudaEventSynchronize)
cuEventQuery = _driver(cudart.cudaEventQuery)
cuEventElapsedTime = _driver(cudart.cudaEventElapsedTime)


def cuMemcpyAsync(to, source, size, stream):
    error, = cudart.cudaMemcpyAsync(to, source, size, 4, stream)
    return (CUresult(int(error)),)


cuMemcpyHtoDAsync = cuMemcpyDtoHAsync = cuMemcpyDtoDAsync = cuMemcpyAsync
