# SPDX-License-Identifier: Apache-2.0
"""The CPU as strict as a GPU. Its device memory is memory of the host, so a test or lathe.trt itself
could touch it and be wrong on a GPU alone. Under this guard such memory may be touched only while a
session runs or a stream copies (a test that does is ended by a signal, and faulthandler shows where),
and contexts take no other addresses. conftest.py installs it where there is no GPU."""
import contextlib
import ctypes
import mmap
import threading

from lathe import _core
from lathe.errors import OutOfMemory

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
                       ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

_CLOSED, _OPEN = 0, mmap.PROT_READ | mmap.PROT_WRITE
_FAILED = ctypes.c_void_p(-1).value

_lock = threading.RLock()
_regions = {}  # address -> bytes, in whole pages
_depth = 0  # calls of the device's that are under way
_host_addresses = False


class _Region:
    """As _core.DeviceMemory."""

    def __init__(self, size):
        self.bytes = size
        self._length = -(-max(size, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
        self.address = _libc.mmap(None, self._length, _OPEN if _depth else _CLOSED,
                                  mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        if self.address == _FAILED:
            self._length = 0
            raise OutOfMemory(f"{size} bytes on the device")
        _regions[self.address] = self._length

    def __del__(self):
        if self._length:
            _regions.pop(self.address, None)
            _libc.munmap(self.address, self._length)


@contextlib.contextmanager
def _device_at_work():
    global _depth
    with _lock:
        _depth += 1
        try:
            if _depth == 1:
                _protect(_OPEN)
            yield
        finally:
            _depth -= 1
            if _depth == 0:
                _protect(_CLOSED)


def _protect(mode):
    for address, length in list(_regions.items()):
        _libc.mprotect(address, length, mode)


def _opening(method):
    def call(*args):
        with _device_at_work():
            return method(*args)
    return call


def _checked(bind):
    def call(session, name, address, size, on_device):
        inside = any(start <= address and address + size <= start + length
                     for start, length in _regions.items())
        assert inside or not size or _host_addresses, f"'{name}' is given an address of the host"
        return bind(session, name, address, size, on_device)
    return call


@contextlib.contextmanager
def host_addresses():
    """Within it host and device share memory, as they do on a CPU."""
    global _host_addresses
    _host_addresses = True
    try:
        with _device_at_work():
            yield
    finally:
        _host_addresses = False


def install():
    """For the whole process."""
    session, stream = _core.BoundSession, _core.DeviceStream
    for kind, names in ((session, ("run", "enqueue", "profile")),
                        (stream, ("copy", "fill", "launch"))):
        for name in names:
            setattr(kind, name, _opening(getattr(kind, name)))
    for name in ("bind_input", "bind_output"):
        setattr(session, name, _checked(getattr(session, name)))
    _core.ComputeDevice.allocate = lambda device, size: _Region(size)
