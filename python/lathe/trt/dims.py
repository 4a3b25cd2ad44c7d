# SPDX-License-Identifier: Apache-2.0
"""Shapes: mutable, equal to tuples and lists, at most 8 dimensions; -1 is a dimension not known."""
import operator

from .names import PublicNames, public_names

_MAX = 8


class Dims(metaclass=PublicNames):
    """A shape. Dims(), Dims((1, 3)), Dims(torch.Size(...)); a slice of it is a tuple."""

    MAX_DIMS = _MAX
    _rank = None

    def __init__(self, *shape):
        if len(shape) == 1 and (not hasattr(shape[0], "__index__") or getattr(shape[0], "ndim", 0)):
            shape = tuple(shape[0])
        if not shape and self._rank:
            shape = (0,) * self._rank
        sizes = [operator.index(size) for size in shape]
        if len(sizes) > _MAX:
            raise ValueError(f"Input length {len(sizes)}. Max expected length is {_MAX}")
        if self._rank is not None and len(sizes) != self._rank:
            raise ValueError(f"Input length {len(sizes)} not equal to expected "
                             f"{type(self).__name__} length, which is {self._rank}")
        self._sizes = sizes

    def __dir__(self):
        return ["MAX_DIMS", *public_names(super().__dir__())]

    def __len__(self):
        return len(self._sizes)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return tuple(self._sizes[index])
        return self._sizes[operator.index(index)]

    def __setitem__(self, index, value):
        if isinstance(index, slice):
            value = [operator.index(size) for size in value]
            if len(range(*index.indices(len(self)))) != len(value):
                raise ValueError("a Dims keeps its length: the slice and its new values differ")
            self._sizes[index] = value
        else:
            self._sizes[operator.index(index)] = operator.index(value)

    def __eq__(self, other):
        if isinstance(other, (Dims, list, tuple)):
            return list(self) == list(other)
        return NotImplemented

    __hash__ = None

    def __str__(self):
        return str(tuple(self._sizes))

    __repr__ = __str__


class Dims2(Dims):
    """Two dimensions."""

    _rank = 2


class DimsHW(Dims2):
    """Height and width."""

    h = property(lambda self: self[0], lambda self, value: self.__setitem__(0, value))
    w = property(lambda self: self[1], lambda self, value: self.__setitem__(1, value))


class Dims3(Dims):
    """Three dimensions."""

    _rank = 3


class Dims4(Dims):
    """Four dimensions."""

    _rank = 4


class Permutation:
    """An order of dimensions, 8 long: the identity unless given."""

    def __init__(self, order=()):
        order = [operator.index(axis) for axis in order]
        if len(order) > _MAX:
            raise ValueError(f"Invalid input length {len(order)}. Max expected length is {_MAX}")
        self._order = order + list(range(len(order), _MAX))

    def __len__(self):
        return _MAX

    def __getitem__(self, index):
        return self._order[index]

    def __setitem__(self, index, axis):
        self._order[index] = operator.index(axis)

    def __eq__(self, other):
        if isinstance(other, (Permutation, list, tuple)):
            other = list(other)
            return self._order[:len(other)] == other
        return NotImplemented

    __hash__ = None

    def __str__(self):
        return str(tuple(self._order))

    __repr__ = __str__


def as_dims(shape):
    """A new Dims of anything that lists sizes."""
    return Dims(tuple(shape))


def volume(iterable):
    """The product of the sizes; 1 for a scalar's empty shape."""
    total = 1
    for size in iterable:
        total *= size
    return total
