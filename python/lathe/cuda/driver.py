# SPDX-License-Identifier: Apache-2.0
"""pycuda.driver: memory, copies, streams, events, contexts and device attributes. No kernels.

Errors are PyCUDA's: LogicError (what was given is wrong), MemoryError, RuntimeError, all Error.
"""
import functools

from .. import errors
from . import _device
from ._device import address_of, current, size_of
from ._enums import attribute, device_attribute  # noqa: F401
from .pagelocked import (host_alloc_flags, mem_attach_flags, managed_empty,  # noqa: F401
                         managed_zeros, mem_host_register_flags, pagelocked_empty,
                         pagelocked_empty_like, pagelocked_zeros, pagelocked_zeros_like,
                         register_host_memory)


class Error(Exception):
    """Base of what this module raises."""


class LogicError(Error):
    """What was given is wrong."""


class RuntimeError(Error):
    """The device failed."""


class LaunchError(RuntimeError):
    """Work on the device failed."""


class MemoryError(Error):
    """Host or device memory did not suffice."""


def _pycuda_errors(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except errors.OutOfMemory as error:
            raise MemoryError(str(error)) from error
        except (errors.DeviceError, errors.InternalError) as error:
            raise RuntimeError(str(error)) from error
        except errors.Error as error:
            raise LogicError(str(error)) from error
    return call


class ctx_flags:
    SCHED_AUTO, SCHED_SPIN, SCHED_YIELD, SCHED_BLOCKING_SYNC = 0, 1, 2, 4
    MAP_HOST, LMEM_RESIZE_TO_MAX = 8, 16


class event_flags:
    DEFAULT, BLOCKING_SYNC, DISABLE_TIMING, INTERPROCESS = 0, 1, 2, 4


class stream_flags:
    DEFAULT, NON_BLOCKING = 0, 1


def init(flags=0):
    """Nothing: a device is opened when it is first used."""


def get_version():
    return 12, 9, 0


def get_driver_version():
    return current().properties.driver_version


class Device:
    """A device by its number or PCI bus id."""

    @_pycuda_errors
    def __init__(self, ordinal):
        if isinstance(ordinal, str):
            ids = [self._opened(n).properties.pci_bus_id for n in range(Device.count())]
            if ordinal not in ids:
                raise LogicError(f"device {ordinal}: this machine has {', '.join(ids)}")
            ordinal = ids.index(ordinal)
        self._ordinal = int(ordinal)
        self._device = self._opened(self._ordinal)

    @staticmethod
    def _opened(ordinal):
        before = current().properties.ordinal
        _device.select(ordinal)
        try:
            return current()
        finally:
            _device.select(before)

    @staticmethod
    def count():
        return _device.device_count()

    def name(self):
        return self._device.properties.name

    def pci_bus_id(self):
        return self._device.properties.pci_bus_id

    def compute_capability(self):
        """(major, minor); (0, 0) for the CPU."""
        facts = self._device.properties
        return facts.compute_major, facts.compute_minor

    def total_memory(self):
        return self._device.properties.total_bytes

    @_pycuda_errors
    def get_attribute(self, what):
        return attribute(self._device, what)

    def get_attributes(self):
        return {what: self.get_attribute(what) for what in device_attribute}

    def make_context(self, flags=0):
        context = Context(self)
        context.push()
        return context

    def retain_primary_context(self):
        return Context(self)

    def __eq__(self, other):
        return isinstance(other, Device) and other._ordinal == self._ordinal

    def __hash__(self):
        return hash(self._ordinal)


class Context:
    """A device's one context: pushing it makes the device the thread's."""

    _stack = []

    def __init__(self, device):
        self._device = device

    @_pycuda_errors
    def push(self):
        Context._stack.append(self)
        _device.select(self._device._ordinal)

    @staticmethod
    def pop():
        if not Context._stack:
            raise LogicError("context pop: no context is current")
        context = Context._stack.pop()
        if Context._stack:
            _device.select(Context._stack[-1]._device._ordinal)
        return context

    def detach(self):
        """Gives the context back; what was allocated in it stays until it is freed."""
        if self in Context._stack:
            Context._stack.remove(self)

    @staticmethod
    @_pycuda_errors
    def synchronize():
        current().core.synchronize()

    @staticmethod
    def get_current():
        return Context._stack[-1] if Context._stack else None

    @staticmethod
    def get_device():
        return Device(current().properties.ordinal)

    @staticmethod
    def attach(flags=0):
        return Context.get_current()

    @staticmethod
    def get_api_version():
        return 3020

    handle = property(lambda self: self._device._ordinal + 1)


class PointerHolderBase:
    """A base for objects that know an address: get_pointer()."""

    def get_pointer(self):
        raise NotImplementedError("get_pointer")

    def __int__(self):
        return int(self.get_pointer())

    __index__ = __int__


class DeviceAllocation(PointerHolderBase):
    """Device memory, freed with this object or by free(). int() is its address."""

    def __init__(self, device, size):
        self._device = device
        self._address = device.allocate(size)
        self.size = size

    def get_pointer(self):
        return self._address

    @_pycuda_errors
    def free(self):
        if not self._address:
            raise LogicError("the allocation is freed already")
        self._release()

    def _release(self):
        address, self._address = self._address, 0
        if address:
            self._device.free(address)

    def __del__(self):
        if getattr(self, "_address", 0):
            self._release()

    def as_buffer(self, size, offset=0):
        """The memory as a buffer of the host's: of the CPU only."""
        import ctypes
        if self._device.is_gpu:
            raise LogicError("a GPU's memory is no buffer of the host's")
        return memoryview((ctypes.c_char * size).from_address(self._address + offset)).cast("B")

    def __repr__(self):
        return f"<DeviceAllocation of {self.size} bytes at {self._address:#x}>"


@_pycuda_errors
def mem_alloc(bytes):
    return DeviceAllocation(current(), int(bytes))


@_pycuda_errors
def mem_get_info():
    """(free, total) bytes."""
    return current().core.memory_info()


def _handle(stream):
    return stream.handle if isinstance(stream, Stream) else int(stream or 0)


@_pycuda_errors
def memcpy_htod(dest, src):
    current().copy(int(dest), address_of(src), size_of(src))


@_pycuda_errors
def memcpy_htod_async(dest, src, stream=None):
    current().copy(int(dest), address_of(src), size_of(src), _handle(stream))


@_pycuda_errors
def memcpy_dtoh(dest, src):
    current().copy(address_of(dest, writable=True), int(src), size_of(dest))


@_pycuda_errors
def memcpy_dtoh_async(dest, src, stream=None):
    current().copy(address_of(dest, writable=True), int(src), size_of(dest), _handle(stream))


@_pycuda_errors
def memcpy_dtod(dest, src, size):
    current().copy(int(dest), int(src), int(size))


@_pycuda_errors
def memcpy_dtod_async(dest, src, size, stream=None):
    current().copy(int(dest), int(src), int(size), _handle(stream))


def to_device(bf_obj):
    """A new allocation that holds what the buffer holds."""
    allocation = mem_alloc(size_of(bf_obj))
    memcpy_htod(allocation, bf_obj)
    return allocation


def from_device(devptr, shape, dtype, order="C"):
    """A new array with what stands at the address."""
    import numpy as np
    array = np.empty(shape, dtype, order)
    memcpy_dtoh(array, devptr)
    return array


def from_device_like(devptr, other_ary):
    import numpy as np
    array = np.empty_like(other_ary)
    memcpy_dtoh(array, devptr)
    return array


@_pycuda_errors
def memset_d8_async(dest, data, size, stream=None):
    current().stream(_handle(stream)).fill(int(dest), int(data) & 255, int(size))


def memset_d8(dest, data, size):
    memset_d8_async(dest, data, size)
    Context.synchronize()


def memset_d16(dest, data, size):
    import numpy as np
    memcpy_htod(dest, np.full(size, data, np.uint16))


def memset_d32(dest, data, size):
    import numpy as np
    memcpy_htod(dest, np.full(size, data, np.uint32))


class Stream:
    """A queue of work. `handle` is what lathe.trt's execute_async_v3 takes."""

    @_pycuda_errors
    def __init__(self, flags=0):
        self._device = current()
        self._core = self._device.open_stream(not flags & stream_flags.NON_BLOCKING)
        self.handle = self._core.handle

    @_pycuda_errors
    def synchronize(self):
        self._core.synchronize()

    @_pycuda_errors
    def is_done(self):
        return self._core.done()

    @_pycuda_errors
    def wait_for_event(self, evt):
        self._core.wait(evt._core)

    def __int__(self):
        return self.handle

    __index__ = __int__

    def __hash__(self):
        return hash(self.handle)

    def __eq__(self, other):
        return isinstance(other, Stream) and other.handle == self.handle

    def __del__(self):
        if getattr(self, "handle", 0):
            self._device.streams.pop(self.handle, None)


class Event:
    """A point in a stream's work."""

    @_pycuda_errors
    def __init__(self, flags=0):
        self._core = current().core.make_event(not flags & event_flags.DISABLE_TIMING)

    @_pycuda_errors
    def record(self, stream=None):
        current().stream(_handle(stream)).record(self._core)
        return self

    @_pycuda_errors
    def synchronize(self):
        self._core.synchronize()
        return self

    @_pycuda_errors
    def query(self):
        return self._core.done()

    @_pycuda_errors
    def time_since(self, event):
        """Milliseconds."""
        return self._core.milliseconds_since(event._core)

    @_pycuda_errors
    def time_till(self, event):
        """Milliseconds."""
        return event._core.milliseconds_since(self._core)
