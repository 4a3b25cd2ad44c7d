# SPDX-License-Identifier: Apache-2.0
"""Weights: a type and elements that stay where the program has them."""
import ctypes

import numpy as np

from . import dtypes
from .enums import DataType
from .names import PublicNames, public_names


class Weights(metaclass=PublicNames):
    """Weights(array) borrows the array's memory; Weights(dtype, pointer, count) that at an address
    (host or device); Weights() or Weights(dtype) is empty."""

    def __init__(self, *args, **named):
        names = ("type", "ptr", "count")
        if len(args) == 1 and not isinstance(args[0], DataType):
            named["a"] = args[0]
        else:
            named.update(zip(names, args))
        self._owner, self._pointer = None, 0
        if "a" in named:
            array = np.ascontiguousarray(named["a"])
            self._owner, self._dtype = array, dtypes.from_numpy(array.dtype)
            self._size, self._pointer = array.size, array.ctypes.data
        else:
            self._dtype = DataType(named.get("type", DataType.FLOAT))
            self._size = int(named.get("count", 0))
            self._pointer = int(named.get("ptr", 0))

    def __dir__(self):
        return public_names(super().__dir__())

    @property
    def dtype(self):
        """The element type."""
        return self._dtype

    @property
    def size(self):
        """How many elements."""
        return self._size

    @property
    def nbytes(self):
        """Bytes in all."""
        return dtypes.byte_size(self._dtype, self._size)

    def __len__(self):
        return self._size

    def numpy(self):
        """A flat array over the same memory, or itself where NumPy lacks the type."""
        if not self._size:
            return np.empty(0, dtypes.numpy_bits(self._dtype))
        try:
            dtypes.nptype(self._dtype)
        except TypeError:
            return self
        return self._bits()

    def _bits(self):
        """The elements' bits as a flat array that keeps this object's memory alive."""
        kind = dtypes.numpy_bits(self._dtype)
        if self._owner is not None:
            return self._owner.reshape(-1).view(kind)
        buffer = (ctypes.c_byte * self.nbytes).from_address(self._pointer)
        return np.frombuffer(buffer, kind)


def as_weights(value):
    """Weights of an array, of Weights, or of None (empty). TypeError for anything else."""
    if isinstance(value, Weights):
        return value
    if value is None:
        return Weights()
    if isinstance(value, np.ndarray):
        return Weights(value)
    raise TypeError(f"expected a numpy.ndarray or Weights, got {type(value).__name__}")
