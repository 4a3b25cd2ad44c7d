# SPDX-License-Identifier: Apache-2.0
"""Reductions, normalizations, sorting: layers that read whole axes."""
from ...errors import UnsupportedError
from .. import dtypes
from ..enums import CumulativeOperation, DataType, LayerType, ReduceOperation, TopKOperation
from .base import ILayer, Parameter
from .indexing import iota

_KINDS = {
    ReduceOperation.SUM: "sum",
    ReduceOperation.PROD: "prod",
    ReduceOperation.MAX: "max",
    ReduceOperation.MIN: "min",
    ReduceOperation.AVG: "mean",
}


def axes_of(mask, rank):
    """The axes whose bits are set; ValueError for one that the rank lacks."""
    if mask >> rank:
        raise ValueError(f"axes {mask:#b} name a dimension that rank {rank} lacks")
    return [d for d in range(rank) if mask >> d & 1]


class IReduceLayer(ILayer):
    """Sums, products, extremes, averages over the axes of a mask."""

    TYPE, TITLE = LayerType.REDUCE, "Reduce"

    op = Parameter(ReduceOperation.SUM, ReduceOperation, "what is made of the elements")
    axes = Parameter(0, int, "bit d: dimension d is reduced")
    keep_dims = Parameter(False, bool, "reduced dimensions stay with size 1")

    def _lower(self, low):
        x = low.value(self._state.inputs[0])
        if self.op == ReduceOperation.NONE:
            return [low.onnx("Identity", [x])]
        axes = axes_of(self.axes, low.rank(x))
        if not axes:
            raise ValueError("axes name no dimension")
        return [low.op("Reduce", [x], {"kind": _KINDS[self.op], "axes": axes,
                                       "keepdims": int(self.keep_dims)})]


class ISoftMaxLayer(ILayer):
    """exp(x) scaled to sum 1 along one axis; by default the third from the end."""

    TYPE, TITLE = LayerType.SOFTMAX, "Softmax"

    axes = property(
        lambda self: self._state.settings.get(
            "axes", 1 << max(0, len(self._state.inputs[0].shape) - 3)),
        lambda self, mask: self._set("axes", int(mask)), doc="bit d: along dimension d")

    def _lower(self, low):
        x = low.value(self._state.inputs[0])
        mask = self._state.settings.get("axes", 1 << max(0, low.rank(x) - 3))
        axes = axes_of(mask, low.rank(x))
        if len(axes) != 1:
            raise ValueError(f"axes {mask:#b} must name one dimension")
        return [low.op("Softmax", [x], {"axis": axes[0]})]


class IRaggedSoftMaxLayer(ILayer):
    """Softmax along the last axis over the first `bounds` elements of each row; the rest is 0."""

    TYPE, TITLE = LayerType.RAGGED_SOFTMAX, "Ragged SoftMax"

    def _lower(self, low):
        x, bounds = (low.value(t) for t in self._state.inputs)
        kind = low.info(x).dtype
        place = iota(low, low.shape(x)[-1])
        keep = low.pointwise("lt(a, b)", place, low.cast(bounds, "i64"))
        inside = low.pointwise(f"select(a, b, -inf:{kind})" if kind != "f32"
                               else "select(a, b, -inf)", keep, x)
        soft = low.op("Softmax", [inside], {"axis": -1})
        return [low.pointwise(f"select(a, b, 0:{kind})", keep, soft)]


class ITopKLayer(ILayer):
    """The k largest or smallest elements along one axis, and their indices. Input 1 may be k."""

    TYPE, TITLE, OUTPUTS = LayerType.TOPK, "TopK", 2

    op = Parameter(TopKOperation.MAX, TopKOperation, "largest or smallest")
    k = Parameter(0, int, "how many")
    axes = Parameter(0, int, "bit d: along dimension d")
    indices_type = Parameter(DataType.INT32, DataType, "INT32 or INT64")

    def _lower(self, low):
        x = low.value(self._state.inputs[0])
        axes = axes_of(self.axes, low.rank(x))
        if len(axes) != 1:
            raise ValueError(f"axes {self.axes:#b} must name one dimension")
        count = self.k
        if len(self._state.inputs) > 1 and self._state.inputs[1] is not None:
            count = low.contents(self._state.inputs[1])[0]
        values, indices = low.op("TopK", [x], {
            "axis": axes[0], "k": f"[{count}]", "largest": int(self.op == TopKOperation.MAX)},
            results=2)
        return [values, low.cast(indices, dtypes.to_lathe(self.indices_type))]


class ICumulativeLayer(ILayer):
    """Running sums along the axis that input 1 gives."""

    TYPE, TITLE = LayerType.CUMULATIVE, "Cumulative"

    op = Parameter(CumulativeOperation.SUM, CumulativeOperation, "SUM")
    exclusive = Parameter(False, bool, "without the element itself")
    reverse = Parameter(False, bool, "from the end")

    def _lower(self, low):
        return [low.op("CumSum", [low.value(self._state.inputs[0])], {
            "axis": low.constants(self._state.inputs[1])[0], "exclusive": int(self.exclusive),
            "reverse": int(self.reverse)})]


class INormalizationLayer(ILayer):
    """(x - mean) / sqrt(variance + epsilon) * scale + bias over the axes of a mask, in groups of
    channels where num_groups is more than 1."""

    TYPE, TITLE = LayerType.NORMALIZATION, "NormalizationV2"

    epsilon = Parameter(1e-5, float, "added to the variance")
    axes = Parameter(0, int, "bit d: dimension d is normalized over")
    num_groups = Parameter(1, int, "groups of channels")
    compute_precision = Parameter(DataType.FLOAT, DataType, "statistics are FP32 or wider")
    is_v2 = property(lambda self: self._state.settings.get("is_v2", False),
                     doc="scale and bias have one number for each channel, also in groups")

    def _lower(self, low):
        x, scale, bias = low.match(*(low.value(t) for t in self._state.inputs))
        axes = axes_of(self.axes, low.rank(x))
        attributes = {"kind": "layer", "epsilon": self.epsilon}
        if self.num_groups == 1:
            return [low.op("Normalize", [x, scale, bias], attributes | {"axes": axes})]
        return [self._grouped(low, x, scale, bias, axes, attributes)]

    def _grouped(self, low, x, scale, bias, axes, attributes):
        sizes, groups = low.shape(x), self.num_groups
        channels = low.static(x, [1])[0]
        if channels % groups or low.rank(x) < 3:
            raise ValueError(f"{channels} channels do not split into {groups} groups")
        split = [sizes[0], groups, channels // groups, *sizes[2:]]
        normal = low.op("Normalize", [low.reshape(x, split)], attributes | {
            "axes": sorted({2, *(d + 1 for d in axes if d > 1)})})
        scale, bias = (self._per_channel(low, v, channels) for v in (scale, bias))
        return low.pointwise("add(mul(a, b), c)", low.reshape(normal, sizes), scale, bias)

    def _per_channel(self, low, value, channels):
        """[1,C,1...] of one number a channel, or of one a group."""
        from ..lowering import dims_text
        rank, given = low.rank(value), low.static(value)
        if given[1] == channels:
            return value
        if given[1] != self.num_groups:
            raise UnsupportedError(f"scale and bias of shape {given} for {channels} channels in "
                                   f"{self.num_groups} groups")
        wide = low.op("Expand", [low.reshape(value, [self.num_groups, 1])],
                      {"shape": dims_text([self.num_groups, channels // self.num_groups])})
        return low.reshape(wide, [1, channels] + [1] * (rank - 2))
