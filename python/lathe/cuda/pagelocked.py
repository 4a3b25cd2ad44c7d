# SPDX-License-Identifier: Apache-2.0
"""Arrays in pinned memory of the host, from and to which a GPU copies fastest; on the CPU, ordinary
memory. The memory lives as long as the array."""
import numpy as np

from ._device import current


class host_alloc_flags:
    PORTABLE, DEVICEMAP, WRITECOMBINED = 1, 2, 4


class mem_host_register_flags:
    PORTABLE, DEVICEMAP = 1, 2


class mem_attach_flags:
    GLOBAL, HOST, SINGLE = 1, 2, 4


class PagelockedHostAllocation:
    """The memory behind an array: its `base`."""

    def __init__(self, size):
        self._device = current()
        self._address = self._device.allocate(size, pinned=True)
        self.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": (size,),
                                    "data": (self._address, False)}

    def get_device_pointer(self):
        """The same address, on the device."""
        return self._address

    def __del__(self):
        if getattr(self, "_address", 0):
            self._device.free(self._address)


def pagelocked_empty(shape, dtype, order="C", mem_flags=0):
    dtype = np.dtype(dtype)
    shape = tuple(int(n) for n in shape) if np.iterable(shape) else (int(shape),)
    elements = 1
    for n in shape:
        elements *= n
    if min(shape, default=0) < 0:
        raise ValueError(f"negative dimensions in {shape}")
    memory = np.asarray(PagelockedHostAllocation(max(elements * dtype.itemsize, 1)))
    return memory[:elements * dtype.itemsize].view(dtype).reshape(shape, order=order)


def pagelocked_zeros(shape, dtype, order="C", mem_flags=0):
    array = pagelocked_empty(shape, dtype, order, mem_flags)
    array.fill(0)
    return array


def pagelocked_empty_like(array, mem_flags=0):
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    return pagelocked_empty(array.shape, array.dtype, order, mem_flags)


def pagelocked_zeros_like(array, mem_flags=0):
    result = pagelocked_empty_like(array, mem_flags)
    result.fill(0)
    return result


def managed_empty(shape, dtype, order="C", mem_flags=0):
    """Pinned memory, which the device reads and writes by the same address."""
    return pagelocked_empty(shape, dtype, order)


def managed_zeros(shape, dtype, order="C", mem_flags=0):
    return pagelocked_zeros(shape, dtype, order)


def register_host_memory(array, flags=0):
    """The array as it is: copies from pageable memory are right, and slower."""
    return array
