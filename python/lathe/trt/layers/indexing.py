# SPDX-License-Identifier: Apache-2.0
"""Gather, scatter, one-hot, sampling at a grid."""
import numpy as np

from ...errors import UnsupportedError
from ..enums import GatherMode, InterpolationMode, LayerType, SampleMode, ScatterMode
from .base import ILayer, Parameter


class IGatherLayer(ILayer):
    """Elements, slices or coordinates of the first operand that the second names."""

    TYPE, TITLE = LayerType.GATHER, "Gather"

    axis = Parameter(0, int, "DEFAULT and ELEMENT: the dimension that is indexed")
    num_elementwise_dims = Parameter(0, int, "leading dimensions that both operands share")
    mode = Parameter(GatherMode.DEFAULT, GatherMode, "what an index names")

    def _lower(self, low):
        x, indices = (low.value(t) for t in self._state.inputs)
        if self.mode == GatherMode.ELEMENT:
            return [low.op("GatherElements", [x, indices], {"axis": self.axis})]
        if self.mode == GatherMode.ND:
            return [low.op("GatherND", [x, indices], {"batch_dims": self.num_elementwise_dims})]
        if self.num_elementwise_dims == 0:
            return [low.op("Gather", [x, indices], {"axis": self.axis})]
        return [self._batched(low, x, indices)]

    def _batched(self, low, x, indices):
        """y[b, p..., i..., q...] = x[b, p..., indices[b, i...], q...], p before `axis`."""
        batch, axis, rank = self.num_elementwise_dims, self.axis, low.rank(x)
        order = [*range(batch), axis, *(d for d in range(batch, rank) if d != axis)]
        inner = low.rank(indices) - batch
        picked = low.op("GatherND",
                        [low.transpose(x, order), low.reshape(indices, [*low.shape(indices), 1])],
                        {"batch_dims": batch})
        # picked: [b, i..., p..., q...]
        before = axis - batch
        places = [*range(batch), *range(batch + inner, batch + inner + before),
                  *range(batch, batch + inner),
                  *range(batch + inner + before, low.rank(picked))]
        return low.transpose(picked, places)


class IScatterLayer(ILayer):
    """The first operand with elements replaced by the third's where the second says."""

    TYPE, TITLE = LayerType.SCATTER, "Scatter"

    axis = Parameter(0, int, "ELEMENT: the dimension that is indexed")
    mode = Parameter(ScatterMode.ELEMENT, ScatterMode, "what an index names")

    def _lower(self, low):
        data, indices, updates = (low.value(t) for t in self._state.inputs)
        data, updates = low.match(data, updates)
        if self.mode == ScatterMode.ND:
            return [low.op("ScatterND", [data, indices, updates])]
        return [low.op("ScatterElements", [data, indices, updates], {"axis": self.axis})]


class IOneHotLayer(ILayer):
    """values[1] where the index is the place along the new axis, else values[0]."""

    TYPE, TITLE = LayerType.ONE_HOT, "OneHot"

    axis = Parameter(-1, int, "where the new dimension goes")

    def _lower(self, low):
        indices, values, depth = self._state.inputs
        return [low.op("OneHot", [low.value(indices), low.value(values)],
                       {"axis": self.axis, "depth": f"[{low.contents(depth)[0]}]"})]


class IGridSampleLayer(ILayer):
    """x[N,C,H,W] sampled at grid[N,H',W',2], whose x and y run from -1 to 1 over the image."""

    TYPE, TITLE = LayerType.GRID_SAMPLE, "GridSample"

    interpolation_mode = Parameter(InterpolationMode.LINEAR, InterpolationMode, "NEAREST, LINEAR")
    align_corners = Parameter(False, bool, "whether -1 and 1 are centres of corner pixels")
    sample_mode = Parameter(SampleMode.FILL, SampleMode, "FILL, CLAMP or REFLECT outside")

    def _lower(self, low):
        x, grid = (low.value(t) for t in self._state.inputs)
        if self.interpolation_mode == InterpolationMode.CUBIC:
            raise UnsupportedError("cubic interpolation of a grid; use LINEAR or NEAREST")
        if low.rank(x) != 4 or low.info(x).dtype != "f32":
            raise UnsupportedError("sampling at a grid takes f32 of rank 4")
        height, width = low.static(x, [2, 3])
        u = self._coordinate(low, grid, 0, width)
        v = self._coordinate(low, grid, 1, height)
        if self.interpolation_mode == InterpolationMode.NEAREST:
            u, v = (low.pointwise("round(a)", c) for c in (u, v))
            return [self._fetch(low, x, u, v)]
        return [self._linear(low, x, u, v)]

    def _coordinate(self, low, grid, which, size):
        """The pixel coordinate along one axis, [N,1,H',W']."""
        n, h, w, _ = low.shape(grid)
        part = low.op("Slice", [grid], {"axes": [3], "starts": f"[{which}]", "sizes": "[1]",
                                        "steps": [1]})
        part = low.reshape(part, [n, 1, h, w])
        if self.align_corners:
            text = f"mul(add(a, 1:f32), {(size - 1) / 2}:f32)"
        else:
            text = f"sub(mul(add(a, 1:f32), {size / 2}:f32), 0.5:f32)"
        part = low.pointwise(text, part)
        if self.sample_mode == SampleMode.CLAMP:
            return low.pointwise(f"max(0:f32, min(a, {size - 1}:f32))", part)
        return self._reflected(low, part, size) if self.sample_mode == SampleMode.REFLECT else part

    def _reflected(self, low, part, size):
        start, span = (0.0, size - 1.0) if self.align_corners else (-0.5, float(size))
        if span == 0:
            return low.pointwise("mul(a, 0:f32)", part)
        # distance from `start`, folded into [0, span]
        folded = low.pointwise(f"sub({span}:f32, abs(sub({span}:f32, mod(sub(a, {start}:f32), "
                               f"{2 * span}:f32))))", part)
        return low.pointwise(f"max(0:f32, min(add(a, {start}:f32), {size - 1}:f32))", folded)

    def _fetch(self, low, x, u, v):
        """x at whole coordinates; 0 outside."""
        from ..lowering import dims_text
        n, c, (height, width) = low.shape(x)[0], low.shape(x)[1], low.static(x, [2, 3])
        h, w = low.shape(u)[2:]
        inside = low.pointwise(f"and(and(ge(a, 0:f32), le(a, {width - 1}:f32)), "
                               f"and(ge(b, 0:f32), le(b, {height - 1}:f32)))", u, v)
        index = low.pointwise(
            f"add(cast(max(0:f32, min(a, {width - 1}:f32)), i64), "
            f"mul(cast(max(0:f32, min(b, {height - 1}:f32)), i64), {width}:i64))", u, v)
        places = f"({h})*({w})"
        index = low.op("Expand", [low.reshape(index, [n, 1, places])],
                       {"shape": dims_text([n, c, places])})
        flat = low.reshape(x, [n, c, height * width])
        taken = low.reshape(low.op("GatherElements", [flat, index], {"axis": 2}), [n, c, h, w])
        return low.pointwise("select(a, b, 0:f32)", inside, taken)

    def _linear(self, low, x, u, v):
        left, top = (low.pointwise("floor(a)", t) for t in (u, v))
        right, bottom = (low.pointwise("add(a, 1:f32)", t) for t in (left, top))
        du, dv = (low.pointwise("sub(a, b)", t, f) for t, f in ((u, left), (v, top)))
        rows = []
        for row in (top, bottom):
            rows.append(low.pointwise("add(mul(a, sub(1:f32, c)), mul(b, c))",
                                      self._fetch(low, x, left, row),
                                      self._fetch(low, x, right, row), du))
        return low.pointwise("add(mul(a, sub(1:f32, c)), mul(b, c))", *rows, dv)


def iota(low, count, kind=np.int64):
    """0, 1, 2, ... `count` of them."""
    return low.op("Iota", [], {"start": np.array(0, kind), "step": np.array(1, kind),
                               "count": f"[{count}]"})
