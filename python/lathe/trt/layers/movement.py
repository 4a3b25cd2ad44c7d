# SPDX-License-Identifier: Apache-2.0
"""Layers that move elements: shuffle, slice, concatenation, shape, squeeze, resize."""
import numpy as np

from ...errors import UnsupportedError
from ..dims import Dims, Permutation, as_dims
from ..enums import (InterpolationMode, LayerType, ResizeCoordinateTransformation, ResizeRoundMode,
                     ResizeSelector, SampleMode, WeightsRole)
from .base import ILayer, Parameter, WeightsParameter


def _as_permutation(order):
    return order if isinstance(order, Permutation) else Permutation(tuple(order))


class IConstantLayer(ILayer):
    """Weights as a value."""

    TYPE, TITLE = LayerType.CONSTANT, "Constant"

    weights = WeightsParameter("the elements")
    shape = Parameter(Dims(), as_dims, "their shape")

    def _lower(self, low):
        return [low.weights_constant(self._weights("weights"), list(self.shape),
                                     WeightsRole.CONSTANT)]


class IShapeLayer(ILayer):
    """The sizes of a value, as INT64."""

    TYPE, TITLE = LayerType.SHAPE, "Shape"

    def _lower(self, low):
        return [low.onnx("Shape", [low.value(self._state.inputs[0])])]


class IShuffleLayer(ILayer):
    """A transposition, a reshape, another transposition. Input 1, when set, is the shape."""

    TYPE, TITLE = LayerType.SHUFFLE, "Shuffle"

    first_transpose = Parameter(Permutation(), _as_permutation, "before the reshape")
    second_transpose = Parameter(Permutation(), _as_permutation, "behind the reshape")
    zero_is_placeholder = Parameter(True, bool, "a size of 0 means the input's")

    def _reshape_dims(self):
        dims = self._state.settings.get("reshape_dims")
        return Dims() if dims is None else dims

    reshape_dims = property(_reshape_dims,
                            lambda self, dims: self._set("reshape_dims", as_dims(dims)),
                            doc="the shape: 0 as the input's, one -1 for what is left")

    def _lower(self, low):
        x = low.value(self._state.inputs[0])
        x = low.transpose(x, self.first_transpose[:low.rank(x)])
        target = self._state.settings.get("reshape_dims")
        if len(self._state.inputs) > 1:
            x = low.onnx("Reshape", [x, low.value(self._state.inputs[1])],
                         {"allowzero": int(not self.zero_is_placeholder)})
        elif target is not None:
            sizes = low.constant(np.array(list(target), np.int64))
            x = low.onnx("Reshape", [x, sizes], {"allowzero": int(not self.zero_is_placeholder)})
        x = low.transpose(x, self.second_transpose[:low.rank(x)])
        unchanged = x == low.value(self._state.inputs[0])
        return [low.onnx("Identity", [x]) if unchanged else x]


def _sum(*terms):
    """Sizes added as numbers where they are, else as a text of symbols."""
    if all(isinstance(t, int) for t in terms):
        return sum(terms)
    return "+".join(f"({t})" for t in terms)


class ISliceLayer(ILayer):
    """start, shape and stride for each dimension, or for `axes` alone. Inputs 1 to 5, where they
    are set: start, shape, stride, the fill value, axes."""

    TYPE, TITLE = LayerType.SLICE, "Slice"

    start = Parameter(Dims(), as_dims, "the first element")
    shape = Parameter(Dims(), as_dims, "the result's shape")
    stride = Parameter(Dims(), as_dims, "the distance between elements")
    axes = Parameter(None, as_dims, "the dimensions meant; all unless set")
    mode = Parameter(SampleMode.STRICT_BOUNDS, SampleMode, "what lies outside")

    def _numbers(self, low, index, setting):
        inputs = self._state.inputs
        if index < len(inputs) and inputs[index] is not None:
            return list(low.contents(inputs[index]))
        return list(setting)

    def _lower(self, low):
        x = low.value(self._state.inputs[0])
        rank = low.rank(x)
        starts, sizes = self._numbers(low, 1, self.start), self._numbers(low, 2, self.shape)
        steps = self._numbers(low, 3, self.stride)
        axes = self._numbers(low, 5, self.axes or range(rank))
        axes = [a % rank for a in axes]
        if not len(axes) == len(starts) == len(sizes) == len(steps):
            raise ValueError(f"start, shape and stride have {len(starts)}, {len(sizes)} and "
                             f"{len(steps)} numbers, expected {len(axes)}")
        if not all(isinstance(s, int) for s in steps):
            raise UnsupportedError("the stride must be known when the engine is built")
        if self.mode != SampleMode.STRICT_BOUNDS:
            x, starts = self._extend(low, x, axes, starts, sizes, steps)
        from ..lowering import dims_text
        return [low.op("Slice", [x], {"axes": axes, "steps": steps, "starts": dims_text(starts),
                                      "sizes": dims_text(sizes)})]

    def _extend(self, low, x, axes, starts, sizes, steps):
        """x with margins as wide as the slice reaches out, and the starts within it."""
        words = {SampleMode.CLAMP: "edge", SampleMode.FILL: "constant", SampleMode.WRAP: "wrap",
                 SampleMode.REFLECT: "reflect"}
        before, after = [0] * low.rank(x), [0] * low.rank(x)
        for k, axis in enumerate(axes):
            extent = low.static(x, [axis])[0]
            if not isinstance(starts[k], int) or not isinstance(sizes[k], int):
                raise UnsupportedError(f"mode {self.mode.name} takes a start and a shape that are "
                                       "known when the engine is built")
            if sizes[k] == 0:
                continue
            ends = starts[k], starts[k] + (sizes[k] - 1) * steps[k]
            before[axis] = max(0, -min(ends))
            after[axis] = max(0, max(ends) - (extent - 1))
        operands = [x]
        if self.mode == SampleMode.FILL and len(self._state.inputs) > 4 and self._state.inputs[4]:
            fill = low.cast(low.value(self._state.inputs[4]), low.info(x).dtype)
            operands.append(low.reshape(fill, []))
        x = low.op("Pad", operands, {"mode": words[self.mode], "before": str(before),
                                     "after": str(after)})
        return x, [_sum(start, before[axis]) for start, axis in zip(starts, axes)]


class IConcatenationLayer(ILayer):
    """The operands one after another along `axis`; by default the third dimension from the end."""

    TYPE, TITLE = LayerType.CONCATENATION, "Concatenation"

    def _axis(self):
        rank = len(self._state.inputs[0].shape) if "axis" not in self._state.settings else 0
        return self._state.settings.get("axis", max(0, rank - 3))

    axis = property(_axis, lambda self, axis: self._set("axis", int(axis)),
                    doc="the dimension along which the operands follow each other")

    def _lower(self, low):
        values = low.match(*(low.value(t) for t in self._state.inputs))
        axis = self._state.settings.get("axis", max(0, low.rank(values[0]) - 3))
        return [low.op("Concat", values, {"axis": axis})]


class _Axes(ILayer):
    """Squeeze and unsqueeze: input 1 lists the axes."""

    OP = None

    def _lower(self, low):
        axes = low.constants(self._state.inputs[1])
        return [low.onnx(self.OP, [low.value(self._state.inputs[0]),
                                   low.constant(np.array(axes, np.int64).reshape(-1))])]


class ISqueezeLayer(_Axes):
    """Without the dimensions of size 1 that input 1 lists."""

    TYPE, TITLE, OP = LayerType.SQUEEZE, "Squeeze", "Squeeze"


class IUnsqueezeLayer(_Axes):
    """With new dimensions of size 1 where input 1 says."""

    TYPE, TITLE, OP = LayerType.UNSQUEEZE, "Unsqueeze", "Unsqueeze"


_COORDINATES = {
    ResizeCoordinateTransformation.ALIGN_CORNERS: "align_corners",
    ResizeCoordinateTransformation.ASYMMETRIC: "asymmetric",
    ResizeCoordinateTransformation.HALF_PIXEL: "half_pixel",
}
_ROUNDING = {
    ResizeRoundMode.HALF_UP: "round_prefer_ceil",
    ResizeRoundMode.HALF_DOWN: "round_prefer_floor",
    ResizeRoundMode.FLOOR: "floor",
    ResizeRoundMode.CEIL: "ceil",
}


class IResizeLayer(ILayer):
    """Another size by interpolation, to `shape` (or input 1) or by `scales`."""

    TYPE, TITLE = LayerType.RESIZE, "Resize"

    scales = Parameter((), lambda numbers: [float(n) for n in numbers], "output per input")
    resize_mode = Parameter(InterpolationMode.NEAREST, InterpolationMode, "the interpolation")
    coordinate_transformation = Parameter(ResizeCoordinateTransformation.ASYMMETRIC,
                                          ResizeCoordinateTransformation, "where samples lie")
    selector_for_single_pixel = Parameter(ResizeSelector.FORMULA, ResizeSelector,
                                          "what a size of 1 takes")
    nearest_rounding = Parameter(ResizeRoundMode.FLOOR, ResizeRoundMode, "NEAREST: which element")
    exclude_outside = Parameter(False, bool, "weights outside are 0 and the rest sums to 1")
    cubic_coeff = Parameter(-0.75, float, "the cubic kernel's coefficient")

    def _shape(self):
        dims = self._state.settings.get("shape")
        return Dims() if dims is None else dims

    shape = property(_shape, lambda self, dims: self._set("shape", as_dims(dims)),
                     doc="the result's shape")

    def _target(self, low, x):
        """(sizes, scales) of the result."""
        if len(self._state.inputs) > 1:
            return low.contents(self._state.inputs[1]), []
        if "shape" in self._state.settings:
            return list(self.shape), []
        if not self.scales:
            return low.shape(x), []
        sizes = [int(np.floor(size * scale)) if isinstance(size, int) else
                 f"({size})*{int(scale)}" if scale == int(scale) else None
                 for size, scale in zip(low.shape(x), self.scales)]
        if None in sizes or len(sizes) != low.rank(x):
            raise UnsupportedError(f"scales {self.scales} do not give the size of "
                                   f"{low.shape(x)}: whole numbers are needed where a size is not "
                                   "known")
        return sizes, list(self.scales)

    def _coordinates(self, sizes):
        if self.selector_for_single_pixel == ResizeSelector.UPPER and 1 in sizes:
            if self.coordinate_transformation == ResizeCoordinateTransformation.HALF_PIXEL:
                return "pytorch_half_pixel"  # half_pixel, and 0 where the size is 1
        return _COORDINATES[self.coordinate_transformation]

    def _lower(self, low):
        from ..lowering import dims_text
        x = low.value(self._state.inputs[0])
        sizes, scales = self._target(low, x)
        return [low.op("Resize", [x], {
            "mode": self.resize_mode.name.lower(), "coordinates": self._coordinates(sizes),
            "nearest_mode": _ROUNDING[self.nearest_rounding], "cubic_a": self.cubic_coeff,
            "exclude_outside": int(self.exclude_outside), "sizes": dims_text(sizes),
            "scales": scales})]


class IReverseSequenceLayer(ILayer):
    """The first sequence_lens[b] steps of each batch element in reverse."""

    TYPE, TITLE = LayerType.REVERSE_SEQUENCE, "ReverseSequence"

    batch_axis = Parameter(1, int, "the dimension of sequence_lens")
    sequence_axis = Parameter(0, int, "the dimension that is reversed")

    def _lower(self, low):
        x, lengths = (low.value(t) for t in self._state.inputs)
        rank, shape = low.rank(x), low.shape(x)
        along = [1] * rank
        along[self.sequence_axis] = shape[self.sequence_axis]
        across = [1] * rank
        across[self.batch_axis] = shape[self.batch_axis]
        step = low.op("Iota", [], {"start": np.array(0, np.int64), "step": np.array(1, np.int64),
                                   "count": f"[{shape[self.sequence_axis]}]"})
        index = low.pointwise("select(lt(a, b), sub(sub(b, 1:i64), a), a)",
                              low.reshape(step, along),
                              low.reshape(low.cast(lengths, "i64"), across))
        from ..lowering import dims_text
        index = low.op("Expand", [index], {"shape": dims_text(shape)})
        return [low.op("GatherElements", [x, index], {"axis": self.sequence_axis})]
