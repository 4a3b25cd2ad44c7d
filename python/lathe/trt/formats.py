# SPDX-License-Identifier: Apache-2.0
"""Memory formats of inputs and outputs: where the elements of a tensor lie in its binding.

A tensor keeps its shape, [N, C, H, W] or [N, C, D, H, W]; its binding's memory is that of another,
row-major array, which is what the engine itself has for a port:

    vector-major  CHW2 CHW4 CHW16 CHW32 CDHW32  [N, ceil(C/V), H, W, V]
    vector-minor  HWC HWC8 HWC16 DHWC DHWC8     [N, H, W, ceil(C/V)*V]

What lies behind the last channel is ignored in inputs and zero in outputs.
"""
import math
from dataclasses import dataclass

from ..errors import UnsupportedError
from .enums import DataType, TensorFormat

F = TensorFormat


@dataclass(frozen=True)
class _Rule:
    """A format: scalars a vector, dimensions behind the channels, where the vectors lie."""

    vector: int
    behind: int  # CHW: 2, CDHW: 3
    minor: bool
    words: str


_RULES = {
    F.CHW2: _Rule(2, 2, False, "Two-wide channel vectorized row-major {} format"),
    F.CHW4: _Rule(4, 2, False, "Four-wide channel vectorized row-major {} format"),
    F.CHW16: _Rule(16, 2, False, "Sixteen-wide channel vectorized row-major {} format"),
    F.CHW32: _Rule(32, 2, False, "Thirty-two-wide channel vectorized row-major {} format"),
    F.CDHW32: _Rule(32, 3, False, "Thirty-two-wide channel vectorized row-major {} format with 3 "
                                  "spatial dimensions"),
    F.HWC: _Rule(1, 2, True, "Channel major {} format"),
    F.HWC8: _Rule(8, 2, True, "Channel major {} format where C % 8 == 0"),
    F.HWC16: _Rule(16, 2, True, "Channel major {} format where C % 16 == 0"),
    F.DHWC: _Rule(1, 3, True, "Channel major {} format with 3 spatial dimensions"),
    F.DHWC8: _Rule(8, 3, True, "Channel major {} format with 3 spatial dimensions where "
                               "C % 8 == 0"),
}
_TYPES = {DataType.FLOAT: "FP32", DataType.HALF: "FP16"}


def chosen(mask):
    """The format that a mask of allowed ones gives: LINEAR where it may be, else the first that
    Lathe has; None where it has none of them (DLA's)."""
    if mask >> int(F.LINEAR) & 1:
        return F.LINEAR
    return next((f for f in F if mask >> int(f) & 1 and f in _RULES), None)


def described(layout, dtype):
    """A binding's format in words; layout: None for LINEAR."""
    kind = _TYPES.get(dtype, dtype.name)
    if layout is None:
        return f"Row major linear {kind} format (kLINEAR)"
    return f"{_RULES[layout.format].words.format(kind)} (k{layout.format.name})"


class Layout:
    """The format of one binding. Shapes are lists of ints, -1 where a size is not known, or, while
    an engine is built, texts of symbols."""

    def __init__(self, format, channels):
        self.format, self.channels = format, int(channels)
        rule = _RULES[format]
        self.vector, self._behind, self._minor = rule.vector, rule.behind, rule.minor
        self._vectors = -(-self.channels // self.vector)

    @staticmethod
    def of(tensor, shape):
        """The Layout that a tensor asks for, None where it is linear; errors name it."""
        format = chosen(tensor.allowed_formats)
        if format in (None, F.LINEAR):
            return None
        behind = _RULES[format].behind
        where = f"tensor '{tensor.name}': TensorFormat.{format.name}"
        if len(shape) <= behind:
            raise ValueError(f"{where} takes {behind + 1} dimensions or more, it has {len(shape)}")
        channels = shape[-1 - behind]
        if not isinstance(channels, int) or channels < 0:
            raise UnsupportedError(f"{where}: the number of channels (dimension "
                                   f"{len(shape) - 1 - behind}) must be known when the engine is "
                                   "built")
        return Layout(format, channels)

    def to_json(self):
        """What a plan holds."""
        return {"format": self.format.name, "channels": self.channels}

    @staticmethod
    def from_json(facts):
        """KeyError, TypeError or ValueError where a plan holds something else."""
        return Layout(F[facts["format"]], int(facts["channels"]))

    # --- shapes

    def _axis(self, rank):
        """Where the channels are in a shape of the tensor."""
        return rank - 1 - self._behind

    def memory_shape(self, shape):
        """The shape of the memory as a row-major array."""
        shape = list(shape)
        axis = self._axis(len(shape))
        front, spatial = shape[:axis], shape[axis + 1:]
        if self._minor:
            return [*front, *spatial, self._vectors * self.vector]
        return [*front, self._vectors, *spatial, self.vector]

    def shape(self, memory):
        """The tensor's shape from its memory's."""
        memory = list(memory)
        rank = len(memory) if self._minor else len(memory) - 1
        axis = self._axis(rank)
        spatial = memory[axis:-1] if self._minor else memory[axis + 1:-1]
        return [*memory[:axis], self.channels, *spatial]

    def strides(self, shape):
        """Vectors between neighbours along each dimension; along the channels between vectors."""
        axis = self._axis(len(shape))
        order = [d for d in range(len(shape)) if d != axis]
        order.insert(len(order) if self._minor else axis, axis)
        strides, step = [0] * len(shape), 1
        for d in reversed(order):
            strides[d] = step
            step *= self._vectors if d == axis else shape[d]
        return strides

    def elements(self, shape):
        """Scalars that the memory holds, padding included."""
        return math.prod(self.memory_shape(shape))

    def vectorized_dim(self, rank):
        """The dimension of the channels; -1 where a vector is one scalar."""
        return self._axis(rank) if self.vector > 1 else -1

    # --- within an engine

    def enter(self, low, value):
        """The tensor's value of an input's."""
        sizes = low.shape(value)
        axis = self._axis(len(sizes) if self._minor else len(sizes) - 1)
        padded = self._vectors * self.vector
        if self._minor:
            value = self._cut(low, value, len(sizes) - 1, padded)
            spatial = range(axis, len(sizes) - 1)
            return low.transpose(value, [*range(axis), len(sizes) - 1, *spatial])
        spatial = range(axis + 1, len(sizes) - 1)
        value = low.transpose(value, [*range(axis + 1), len(sizes) - 1, *spatial])
        value = low.reshape(value, [*sizes[:axis], padded, *sizes[axis + 1:-1]])
        return self._cut(low, value, axis, padded)

    def _cut(self, low, value, axis, padded):
        if padded == self.channels:
            return value
        return low.op("Slice", [value], {"axes": [axis], "starts": "[0]", "steps": [1],
                                         "sizes": f"[{self.channels}]"})

    def leave(self, low, value):
        """An output's value of the tensor's."""
        sizes = low.shape(value)
        rank, axis = len(sizes), self._axis(len(sizes))
        missing = self._vectors * self.vector - self.channels
        if missing:
            after = [missing if d == axis else 0 for d in range(rank)]
            value = low.op("Pad", [value], {"before": str([0] * rank), "after": str(after)})
        if self._minor:
            return low.transpose(value, [*range(axis), *range(axis + 1, rank), axis])
        value = low.reshape(value, [*sizes[:axis], self._vectors, self.vector, *sizes[axis + 1:]])
        return low.transpose(value, [*range(axis + 1), *range(axis + 2, rank + 1), axis + 1])
