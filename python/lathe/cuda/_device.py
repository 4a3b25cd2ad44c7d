# SPDX-License-Identifier: Apache-2.0
"""The device of the calling thread, and what was made on it, by address and by handle.

Programs in CUDA's style pass integers: the memory behind an address and the stream behind a handle
are kept here until they are freed. A stream that is not known here is somebody else's, and is
borrowed.
"""
import threading

from .. import _core, _default_device, errors
from .._default_device import default_device

# What a GPU rounds allocations up to. The CPU as well: programs that forget the padding of a
# vectorized format rely on it.
_GRANULE = 512
_opened = {}
_lock = threading.Lock()


def device_count(kind=None):
    """Devices that programs can number: the GPUs, or 1 for the CPU."""
    gpu = (kind or default_device()).startswith("cuda")
    return _core.ComputeDevice.gpu_count() if gpu else 1


class Device:
    """An open device. `address` and `handle` are integers throughout."""

    def __init__(self, device_id):
        self.core = _core.ComputeDevice.open(device_id)
        self.properties = self.core.properties
        self.is_gpu = self.properties.is_gpu
        self.memory = {}   # by address, pinned memory too
        self.streams = {}  # by handle: those opened here
        self.default_stream = self.core.borrow_stream(0)

    def allocate(self, size, pinned=False):
        """The address of `size` bytes. Raises lathe.OutOfMemory."""
        make = self.core.allocate_pinned if pinned else self.core.allocate
        if not (self.is_gpu or pinned):
            size = -(-size // _GRANULE) * _GRANULE
        memory = make(size)
        self.memory[memory.address] = memory
        return memory.address

    def free(self, address):
        """Frees what `allocate` gave; nothing for 0. Raises lathe.InputError for another address."""
        if address and self.memory.pop(address, None) is None:
            raise errors.InputError(f"{address:#x} was not allocated here, or is freed already")

    def open_stream(self, blocking=True):
        stream = self.core.open_stream(blocking)
        self.streams[stream.handle] = stream
        return stream

    def close_stream(self, handle):
        if self.streams.pop(handle, None) is None:
            raise errors.InputError(f"{handle:#x} is no stream that was opened here")

    def stream(self, handle):
        """The stream behind a handle (0: the default one), or behind an object with __int__."""
        handle = int(handle or 0)
        if handle == 0:
            return self.default_stream
        return self.streams.get(handle) or self.core.borrow_stream(handle)

    def copy(self, to, source, size, stream=None):
        """Copies now; with a stream, in its order."""
        queue = self.default_stream if stream is None else self.stream(stream)
        queue.copy(to, source, size)
        if stream is None:
            queue.synchronize()


def current():
    """The calling thread's device, opened at first use."""
    device_id = default_device()
    device = _opened.get(device_id)
    if device is None:
        with _lock:
            device = _opened.get(device_id) or Device(device_id)
            _opened[device_id] = device
    return device


def select(ordinal):
    """Makes device `ordinal` the calling thread's. Raises lathe.InputError when there is none."""
    count = device_count()
    if not 0 <= ordinal < count:
        raise errors.InputError(f"device {ordinal}: this machine has {count}")
    _default_device.select(f"cuda:{ordinal}" if default_device().startswith("cuda") else "cpu")


def submit(stream, work):
    """Calls `work()` in the order of a CPU stream: now, or when the graph that is being captured
    from the stream is launched. Any handle, known here or not."""
    queue = current().stream(stream)
    if queue.capturing:
        queue.run(work)
    else:
        work()


def address_of(thing, writable=False):
    """The address of a number, a device allocation, or the contiguous memory of a buffer."""
    if isinstance(thing, int):
        return thing
    pointer = getattr(thing, "ctypes", None)  # an array of NumPy: without the buffer's checks
    if pointer is not None and hasattr(pointer, "data"):
        if not (thing.flags.c_contiguous or thing.flags.f_contiguous):
            raise ValueError("the array is not contiguous")
        if writable and not thing.flags.writeable:
            raise ValueError("the array is read-only")
        return pointer.data
    if hasattr(thing, "__int__"):
        return int(thing)
    return buffer_address(thing, writable)


def buffer_address(thing, writable=False):
    """The address of an object with the buffer protocol; it must outlive the copy."""
    import numpy as np
    view = memoryview(thing)
    if not view.contiguous:
        raise ValueError("the buffer is not contiguous")
    if writable and view.readonly:
        raise ValueError("the buffer is read-only")
    return np.frombuffer(view.cast("B"), np.uint8).ctypes.data if view.nbytes else 0


def size_of(thing):
    """Bytes of an array or buffer."""
    size = getattr(thing, "nbytes", None)
    return memoryview(thing).nbytes if size is None else int(size)
