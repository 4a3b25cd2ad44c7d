# SPDX-License-Identifier: Apache-2.0
"""The base of every enumeration of the API.

Members convert to int (`1 << int(x)`), are ordered within their type, and equal the plain integer
of their value; members of two enumerations are never equal.
"""
import enum
import functools


class _Kind(enum.EnumMeta):
    """Enumerations as pybind11 makes them: programs list `X.__entries`."""


setattr(_Kind, "__entries", property(
    lambda kind: {name: (member, None) for name, member in kind.__members__.items()},
    doc="{name: (member, its description)}"))


@functools.total_ordering
class ApiEnum(enum.Enum, metaclass=_Kind):
    """A member: `.name`, `.value`, int(x), ordering, shifts."""

    @classmethod
    def _missing_(cls, value):
        if not isinstance(value, int):
            raise TypeError(f"expected a {cls.__name__}, got {value!r}")
        return None

    def __int__(self):
        return self.value

    __index__ = __int__

    def __eq__(self, other):
        if isinstance(other, ApiEnum):
            return self is other
        return self.value == other if isinstance(other, int) else NotImplemented

    def __lt__(self, other):
        if isinstance(other, int) or type(other) is type(self):
            return self.value < int(other)
        return NotImplemented

    def __hash__(self):
        return hash(self.value)

    def __or__(self, other):
        return int(self) | int(other)

    def __and__(self, other):
        return int(self) & int(other)

    def __xor__(self, other):
        return int(self) ^ int(other)

    def __invert__(self):
        return ~int(self)

    def __str__(self):
        return f"{type(self).__name__}.{self.name}"

    __ror__, __rand__, __rxor__ = __or__, __and__, __xor__
