# SPDX-License-Identifier: Apache-2.0
"""Layers whose results' sizes depend on data: a network may hold them, with shapes as far as they
can be told; a build refuses them by name."""
from ..enums import BoundingBoxFormat, DataType, LayerType
from .base import ILayer, Parameter

_NO_DATA_SIZES = "Lathe does not run results whose sizes depend on data yet"


class INonZeroLayer(ILayer):
    """Coordinates of what is not zero, [rank, count]."""

    TYPE, TITLE, REFUSAL = LayerType.NON_ZERO, "NonZero", _NO_DATA_SIZES

    indices_type = Parameter(DataType.INT32, DataType, "INT32 or INT64")

    def _placeholder(self, low):
        return [low.placeholder("i64" if self.indices_type == DataType.INT64 else "i32",
                                [low.rank(low.value(self._state.inputs[0])), -1])]


class INMSLayer(ILayer):
    """Boxes that remain after suppression of overlaps."""

    TYPE, TITLE, REFUSAL, OUTPUTS = LayerType.NMS, "NMS", _NO_DATA_SIZES, 2

    bounding_box_format = Parameter(BoundingBoxFormat.CORNER_PAIRS, BoundingBoxFormat,
                                    "how boxes are given")
    topk_box_limit = Parameter(2000, int, "boxes looked at for each class")
    indices_type = Parameter(DataType.INT32, DataType, "INT32 or INT64")

    def _placeholder(self, low):
        kind = "i64" if self.indices_type == DataType.INT64 else "i32"
        return [low.placeholder(kind, [-1, 3]), low.placeholder("i32", [])]


# Every use of these is refused.
BoundingBoxFormat.lathe_refused = _NO_DATA_SIZES
