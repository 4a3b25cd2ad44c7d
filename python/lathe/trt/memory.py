# SPDX-License-Identifier: Apache-2.0
"""IHostMemory, streams of bytes, allocators: memory that changes hands."""
import resource

from .enums import DataType
from .interface import IVersionedInterface
from .names import PublicNames
from .support import deprecated


class IHostMemory(bytes, metaclass=PublicNames):
    """Bytes that a build made: f.write(plan), bytes(plan), memoryview(plan), len(plan)."""

    dtype = property(lambda self: DataType.INT8, doc="INT8")
    nbytes = property(lambda self: len(self), doc="how many bytes")

    def __bool__(self):
        return True

    def __dir__(self):
        return ["dtype", "nbytes", *(name for name in super().__dir__() if name.startswith("__"))]

    def __enter__(self):
        deprecated("Context managers for TensorRT types are deprecated. Memory will be freed "
                   "automatically when the reference count reaches 0.")
        return self

    def __exit__(self, kind, value, traceback):
        return None


class IStreamReader:
    """Derive from it and define read(size) -> bytes."""

    def __init__(self):
        pass

    def read(self, size):
        """The next `size` bytes, fewer at the end."""
        raise NotImplementedError("an IStreamReader defines read(self, size)")


class IStreamReaderV2(IVersionedInterface):
    """Derive from it and define read(num_bytes, stream) -> bytes and seek(offset, where)."""

    def __init__(self):
        pass

    def read(self, num_bytes, stream):
        """The next bytes."""
        raise NotImplementedError("an IStreamReaderV2 defines read(self, num_bytes, stream)")

    def seek(self, offset, where):
        """Another place."""
        raise NotImplementedError("an IStreamReaderV2 defines seek(self, offset, where)")


class IStreamWriter(IVersionedInterface):
    """Derive from it and define write(data) -> bytes written."""

    def __init__(self):
        pass

    def write(self, data):
        """Takes bytes."""
        raise NotImplementedError("an IStreamWriter defines write(self, data)")


class IGpuAllocator(IVersionedInterface):
    """Derive from it and define allocate and deallocate."""

    def __init__(self):
        pass

    def allocate(self, size, alignment, flags):
        """The address of new memory, or None."""
        return None

    def deallocate(self, memory):
        """Whether it was freed."""
        return False

    def reallocate(self, address, alignment, new_size):
        """The address of larger memory, or None."""
        return None

    def allocate_async(self, size, alignment, flags, stream):
        """allocate, in a stream's order."""
        return self.allocate(size, alignment, flags)

    def deallocate_async(self, memory, stream):
        """deallocate, in a stream's order."""
        return self.deallocate(memory)


class IGpuAsyncAllocator(IGpuAllocator):
    """Derive from it and define allocate_async and deallocate_async."""

    def allocate(self, size, alignment, flags):
        """allocate_async on the default stream."""
        return self.allocate_async(size, alignment, flags, 0)

    def deallocate(self, memory):
        """deallocate_async on the default stream."""
        return self.deallocate_async(memory, 0)

    def allocate_async(self, size, alignment, flags, stream):
        """The address of new memory, in a stream's order, or None."""
        return None

    def deallocate_async(self, memory, stream):
        """Whether it was freed, in a stream's order."""
        return False


def described_memory():
    """What the process has of the machine's memory, in words."""
    with open("/proc/self/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return f"memory: {resident >> 20} MiB resident, {peak >> 20} MiB at most so far"


def read_all(source):
    """The bytes of a plan: bytes, bytearray, memoryview, IHostMemory or a stream reader."""
    if isinstance(source, (IStreamReader, IStreamReaderV2)):
        return _drain(source)
    return bytes(memoryview(source))


def _drain(reader):
    arguments = (0,) if isinstance(reader, IStreamReaderV2) else ()
    parts = []
    while chunk := reader.read(1 << 24, *arguments):
        parts.append(bytes(chunk))
        if len(chunk) < 1 << 24:
            break
    return b"".join(parts)
