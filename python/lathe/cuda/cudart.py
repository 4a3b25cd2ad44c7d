# SPDX-License-Identifier: Apache-2.0
"""cuda.bindings.runtime (cuda.cudart): memory, streams, events, graphs, device properties.

Each function returns a tuple that begins with a `cudaError_t`, whose value is 0 when all is well;
nothing raises but a wrong type. Addresses are ints; where cuda-python takes an object with the
buffer protocol, so do these. What is not here raises AttributeError.
"""
import functools
import threading

from .. import errors
from . import _device
from ._device import address_of, current
from ._enums import *  # noqa: F401,F403
from ._enums import (MESSAGES, attribute, cudaError_t, cudaEventDisableTiming,
                     cudaStreamCaptureStatus, cudaStreamNonBlocking, error_number)
from ._pools import *  # noqa: F401,F403
from ._pools import cudaMemAllocationType, cudaMemPoolAttr
from ._properties import cudaDeviceProp, device_properties  # noqa: F401

_last = threading.local()


def _call(values):
    """A function in the runtime's manner, which beside the error returns so many values. It may
    return a cudaError_t instead of them."""
    def decorate(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            try:
                result = function(*args, **kwargs)
            except errors.Error as error:
                _last.error = result = cudaError_t(error_number(error))
            if isinstance(result, cudaError_t):
                return (result,) + (None,) * values
            results = () if values == 0 else (result,) if values == 1 else tuple(result)
            return (cudaError_t.cudaSuccess, *results)
        return call
    return decorate


class _Handle:
    """An object of the runtime's: a number, kept with what it stands for."""

    def __init__(self, init_value=0, thing=None):
        self._number = int(init_value)
        self.thing = thing

    def __int__(self):
        return self._number

    __index__ = __int__

    def getPtr(self):
        """The number again; cuda-python's is the address of where it is stored."""
        return self._number

    def __eq__(self, other):
        return isinstance(other, (int, _Handle)) and int(other) == self._number

    def __hash__(self):
        return hash(self._number)

    def __repr__(self):
        return f"<{type(self).__name__} {self._number:#x}>"


class cudaStream_t(_Handle):
    pass


class cudaEvent_t(_Handle):
    pass


class cudaMemPool_t(_Handle):
    pass


class cudaGraph_t(_Handle):
    pass


class cudaGraphExec_t(_Handle):
    pass


def _thing(handle, kind):
    thing = getattr(handle, "thing", None)
    if thing is None:
        raise errors.InputError(f"{handle!r} is no {kind}, or is destroyed already")
    return thing


# Devices.

@_call(1)
def cudaGetDeviceCount():
    return _device.device_count()


@_call(1)
def cudaGetDevice():
    return current().properties.ordinal


@_call(0)
def cudaSetDevice(device):
    _device.select(int(device))
    current()


@_call(0)
def cudaDeviceSynchronize():
    current().core.synchronize()


@_call(0)
def cudaDeviceReset():
    """Waits; what was allocated stays until it is freed."""
    current().core.synchronize()


@_call(1)
def cudaGetDeviceProperties(device):
    return device_properties(_numbered(device))


@_call(1)
def cudaDeviceGetAttribute(attr, device):
    return attribute(_numbered(device), attr)


def _numbered(ordinal):
    before = current().properties.ordinal
    _device.select(int(ordinal))
    try:
        return current()
    finally:
        _device.select(before)


@_call(1)
def cudaDriverGetVersion():
    return current().properties.driver_version


@_call(1)
def cudaRuntimeGetVersion():
    return 12090


# Errors.

def cudaGetErrorName(error):
    return cudaError_t.cudaSuccess, cudaError_t(int(error)).name.encode()


def cudaGetErrorString(error):
    return cudaError_t.cudaSuccess, MESSAGES[int(error)].encode()


def cudaPeekAtLastError():
    return (getattr(_last, "error", cudaError_t.cudaSuccess),)


def cudaGetLastError():
    error = cudaPeekAtLastError()
    _last.error = cudaError_t.cudaSuccess
    return error


# Memory.

@_call(1)
def cudaMalloc(size):
    return current().allocate(int(size))


@_call(1)
def cudaMallocAsync(size, hStream):
    return current().allocate(int(size))


@_call(1)
def cudaMallocHost(size):
    return current().allocate(int(size), pinned=True)


@_call(1)
def cudaHostAlloc(size, flags=0):
    return current().allocate(int(size), pinned=True)


@_call(1)
def cudaMallocManaged(size, flags=0):
    """Pinned memory of the host, which the device reads and writes by the same address."""
    return current().allocate(int(size), pinned=True)


@_call(0)
def cudaFree(devPtr):
    current().free(address_of(devPtr or 0))


@_call(0)
def cudaFreeAsync(devPtr, hStream):
    current().stream(hStream).synchronize()
    current().free(address_of(devPtr or 0))


@_call(1)
def cudaMemPoolCreate(poolProps):
    """A pool that keeps nothing back: what is freed is free at once."""
    if poolProps.allocType != cudaMemAllocationType.cudaMemAllocationTypePinned:
        raise errors.InputError("a memory pool has cudaMemAllocationTypePinned")
    _numbered(poolProps.location.id)
    return cudaMemPool_t(id(poolProps), poolProps)


@_call(0)
def cudaMemPoolSetAttribute(memPool, attr, value):
    _thing(memPool, "memory pool")
    cudaMemPoolAttr(attr)


@_call(0)
def cudaMemPoolDestroy(memPool):
    _thing(memPool, "memory pool")
    memPool.thing = None


@_call(1)
def cudaMallocFromPoolAsync(size, memPool, stream):
    _thing(memPool, "memory pool")
    return current().allocate(int(size))


@_call(0)
def cudaFreeHost(ptr):
    current().free(0 if ptr is None else address_of(ptr))


@_call(0)
def cudaHostRegister(ptr, size, flags=0):
    """Nothing: copies from pageable memory are right, and slower."""


@_call(0)
def cudaHostUnregister(ptr):
    """Nothing, as cudaHostRegister."""


@_call(1)
def cudaHostGetDevicePointer(pHost, flags=0):
    return address_of(pHost)


@_call(2)
def cudaMemGetInfo():
    return current().core.memory_info()


@_call(0)
def cudaMemcpy(dst, src, count, kind=4):
    current().copy(address_of(dst, writable=True), address_of(src), int(count))


@_call(0)
def cudaMemcpyAsync(dst, src, count, kind=4, stream=0):
    current().copy(address_of(dst, writable=True), address_of(src), int(count), stream or 0)


@_call(0)
def cudaMemset(devPtr, value, count):
    queue = current().default_stream
    queue.fill(address_of(devPtr), int(value) & 255, int(count))
    queue.synchronize()


@_call(0)
def cudaMemsetAsync(devPtr, value, count, stream=0):
    current().stream(stream).fill(address_of(devPtr), int(value) & 255, int(count))


# Streams.

def _open_stream(flags):
    return cudaStream_t(current().open_stream(not flags & cudaStreamNonBlocking).handle)


@_call(1)
def cudaStreamCreate():
    return _open_stream(0)


@_call(1)
def cudaStreamCreateWithFlags(flags):
    return _open_stream(int(flags))


@_call(1)
def cudaStreamCreateWithPriority(flags, priority):
    return _open_stream(int(flags))


@_call(0)
def cudaStreamDestroy(stream):
    current().close_stream(int(stream or 0))


@_call(0)
def cudaStreamSynchronize(stream):
    current().stream(stream).synchronize()


@_call(0)
def cudaStreamQuery(stream):
    done = current().stream(stream).done()
    return cudaError_t.cudaSuccess if done else cudaError_t.cudaErrorNotReady


@_call(0)
def cudaStreamWaitEvent(stream, event, flags=0):
    current().stream(stream).wait(_thing(event, "event"))


# Events.

@_call(1)
def cudaEventCreate():
    event = current().core.make_event()
    return cudaEvent_t(event.handle, event)


@_call(1)
def cudaEventCreateWithFlags(flags):
    event = current().core.make_event(not int(flags) & cudaEventDisableTiming)
    return cudaEvent_t(event.handle, event)


@_call(0)
def cudaEventDestroy(event):
    _thing(event, "event")
    event.thing = None


@_call(0)
def cudaEventRecord(event, stream=0):
    current().stream(stream).record(_thing(event, "event"))


@_call(0)
def cudaEventSynchronize(event):
    _thing(event, "event").synchronize()


@_call(0)
def cudaEventQuery(event):
    done = _thing(event, "event").done()
    return cudaError_t.cudaSuccess if done else cudaError_t.cudaErrorNotReady


@_call(1)
def cudaEventElapsedTime(start, end):
    return _thing(end, "event").milliseconds_since(_thing(start, "event"))


# Graphs.

@_call(0)
def cudaStreamBeginCapture(stream, mode=0):
    current().stream(stream).begin_capture()


@_call(1)
def cudaStreamEndCapture(stream):
    graph = current().stream(stream).end_capture()
    return cudaGraph_t(graph.handle, graph)


@_call(1)
def cudaStreamIsCapturing(stream):
    return cudaStreamCaptureStatus(int(current().stream(stream).capturing))


@_call(2)
def cudaGraphGetNodes(graph, numNodes=0):
    """No nodes, and their number: they cannot be edited."""
    return [], _thing(graph, "graph").node_count


@_call(1)
def _instantiated(graph):
    return cudaGraphExec_t(int(graph), _thing(graph, "graph"))


def cudaGraphInstantiate(graph, flags=0, *size):
    """(error, executable). With CUDA 11's arguments, a buffer for messages and its size, also the
    node that failed: None."""
    result = _instantiated(graph)
    return (*result, None) if size else result


cudaGraphInstantiateWithFlags = cudaGraphInstantiate


@_call(0)
def cudaGraphUpload(graphExec, stream=0):
    _thing(graphExec, "graph")


@_call(0)
def cudaGraphLaunch(graphExec, stream=0):
    current().stream(stream).launch(_thing(graphExec, "graph"))


@_call(0)
def cudaGraphDestroy(graph):
    _thing(graph, "graph")
    graph.thing = None


@_call(0)
def cudaGraphExecDestroy(graphExec):
    _thing(graphExec, "graph")
    graphExec.thing = None
