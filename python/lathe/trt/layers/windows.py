# SPDX-License-Identifier: Apache-2.0
"""Convolution, deconvolution, pooling, local response normalization, padding."""
import math

from ...errors import UnsupportedError
from ..dims import Dims, as_dims
from ..enums import LayerType, PaddingMode, PoolingType, WeightsRole
from .base import ILayer, Parameter, WeightsParameter


def _spread(value, rank, default):
    """One number for each of `rank` dimensions."""
    if value is None:
        return [default] * rank
    value = list(value)
    return value * rank if len(value) == 1 and rank > 1 else value


def _symmetric(layer):
    pre, post = layer.pre_padding, layer.post_padding
    if pre != post:
        layer._state.network._report_error(f"layer '{layer.name}': pre and post padding differ")
    return pre


class _Window(ILayer):
    """What windows share: padding in its three spellings, strides."""

    pre_padding = Parameter(None, as_dims, "positions before each spatial dimension")
    post_padding = Parameter(None, as_dims, "positions behind each spatial dimension")
    padding_mode = Parameter(PaddingMode.EXPLICIT_ROUND_DOWN, PaddingMode, "how sizes round")
    stride_nd = Parameter(None, as_dims, "step of the window")

    def _window(self):
        raise NotImplementedError

    def _settings(self, name, default=0):
        return _spread(self._state.settings.get(name), len(self._window()), default)

    def _set_padding(self, value):
        self.pre_padding = value
        self.post_padding = value

    padding_nd = property(_symmetric, _set_padding, doc="pre_padding and post_padding in one")

    def _pads(self):
        return self._settings("pre_padding") + self._settings("post_padding")

    def _over_batches(self, low, compute):
        """[compute(x)] of the operand with all that stands before its channels as one batch; of
        one sample where nothing does, as in networks of 8.x without a batch dimension."""
        x, rank = low.value(self._state.inputs[0]), len(self._window()) + 2
        sizes = low.shape(x)
        if len(sizes) < rank - 1:
            raise ValueError(f"the input has rank {len(sizes)}, expected {rank} or more: a batch, "
                             "channels and one dimension for each of the window's")
        if len(sizes) == rank:
            return [compute(x)]
        front = sizes[:len(sizes) - rank + 1]
        known = all(isinstance(s, int) for s in front)
        batch = math.prod(front) if known else "*".join(f"({s})" for s in front)
        y = compute(low.reshape(x, [batch, *sizes[len(front):]]))
        return [low.reshape(y, [*front, *low.shape(y)[1:]])]

    def _auto_pad(self, attributes):
        """`attributes` with ONNX's word where the sizes decide the padding."""
        words = {PaddingMode.SAME_UPPER: "SAME_UPPER", PaddingMode.SAME_LOWER: "SAME_LOWER"}
        if self.padding_mode in words:
            return attributes | {"auto_pad": words[self.padding_mode]}
        return attributes | {"pads": self._pads()}


class _Shown:
    """Dims properties that show their default, one number for each spatial dimension."""

    @staticmethod
    def dims(name, default):
        """A property over setting `name`."""
        def read(layer):
            return Dims(tuple(layer._settings(name, default)))

        def write(layer, value):
            layer._set(name, as_dims(value))
        return property(read, write, doc=f"{name}: {default} for each dimension unless set")


for _name in ("pre_padding", "post_padding"):
    setattr(_Window, _name, _Shown.dims(_name, 0))
_Window.stride_nd = _Shown.dims("stride_nd", 1)


class _Filter(_Window):
    """What convolution and deconvolution share: kernels as weights or as a second operand."""

    num_output_maps = Parameter(0, int, "output channels")
    kernel_size_nd = Parameter(Dims(), as_dims, "size of the window")
    dilation_nd = _Shown.dims("dilation_nd", 1)
    num_groups = Parameter(1, int, "groups that channels are split into")
    kernel = WeightsParameter("weights of the window")
    bias = WeightsParameter("one number for each output channel")

    def _window(self):
        return list(self.kernel_size_nd)

    def _round_up(self, low, x, window):
        """Padding behind that makes the output's size round up; sizes must be known for that."""
        pads, rank = self._pads(), len(window)
        sizes = low.static(x, range(2, 2 + rank))
        for d in range(rank):
            reach = (window[d] - 1) * self._settings("dilation_nd", 1)[d] + 1
            span = sizes[d] + pads[d] + pads[rank + d] - reach
            pads[rank + d] += -span % self._settings("stride_nd", 1)[d]
        return pads

    def _operands(self, low, x, kernel_shape):
        """[x, kernel, bias] as values; weights take x's float type."""
        inputs = self._state.inputs
        if len(inputs) > 1 and inputs[1] is not None:
            kernel = low.value(inputs[1])
        else:
            kernel = low.weights_constant(self._weights("kernel"), kernel_shape,
                                          WeightsRole.KERNEL)
        out = [x, low.float_of(kernel, x)]
        if len(inputs) > 2 and inputs[2] is not None:
            out.append(low.float_of(low.value(inputs[2]), x))
        elif self._weights("bias").size:
            bias = low.weights_constant(self._weights("bias"), [self.num_output_maps],
                                        WeightsRole.BIAS)
            out.append(low.float_of(bias, x))
        return out

    def _lower(self, low):
        return self._over_batches(low, lambda x: self._filtered(low, x))

    def _filtered(self, low, x):
        raise NotImplementedError


class IConvolutionLayer(_Filter):
    """y[n,m,o] = bias[m] + sum of x[n,c,o*stride + k*dilation - padding] * kernel[m,c,k]."""

    TYPE, TITLE = LayerType.CONVOLUTION, "Convolution"

    def _filtered(self, low, x):
        window, channels = self._window(), low.static(x, [1])[0]
        shape = [self.num_output_maps, channels // self.num_groups, *window]
        attributes = {"strides": self._settings("stride_nd", 1), "group": self.num_groups,
                      "dilations": self._settings("dilation_nd", 1), "kernel_shape": window}
        if self.padding_mode == PaddingMode.EXPLICIT_ROUND_UP:
            attributes["pads"] = self._round_up(low, x, window)
        else:
            attributes = self._auto_pad(attributes)
        return low.onnx("Conv", self._operands(low, x, shape), attributes)


class IDeconvolutionLayer(_Filter):
    """The transpose of a convolution: padding cuts the result."""

    TYPE, TITLE = LayerType.DECONVOLUTION, "Deconvolution"

    def _filtered(self, low, x):
        window, channels = self._window(), low.static(x, [1])[0]
        shape = [channels, self.num_output_maps // self.num_groups, *window]
        attributes = {"strides": self._settings("stride_nd", 1), "group": self.num_groups,
                      "dilations": self._settings("dilation_nd", 1), "kernel_shape": window}
        return low.onnx("ConvTranspose", self._operands(low, x, shape),
                        self._auto_pad(attributes))


class IPoolingLayer(_Window):
    """The largest element of each window, its average, or a blend of the two."""

    TYPE, TITLE = LayerType.POOLING, "Pooling"

    type = Parameter(PoolingType.MAX, PoolingType, "MAX, AVERAGE or MAX_AVERAGE_BLEND")
    window_size_nd = Parameter(Dims(), as_dims, "size of the window")
    blend_factor = Parameter(0.0, float, "share of the average in a blend")
    average_count_excludes_padding = Parameter(True, bool, "an average divides by elements of x")

    def _window(self):
        return list(self.window_size_nd)

    def _pool(self, low, x, op, extra):
        attributes = {"kernel_shape": self._window(), "strides": self._settings("stride_nd", 1),
                      "ceil_mode": int(self.padding_mode == PaddingMode.EXPLICIT_ROUND_UP)}
        return low.onnx(op, [x], self._auto_pad(attributes | extra), opset=19)

    def _lower(self, low):
        return self._over_batches(low, lambda x: self._pooled(low, x))

    def _pooled(self, low, x):
        counted = {"count_include_pad": int(not self.average_count_excludes_padding)}
        if self.type == PoolingType.MAX:
            return self._pool(low, x, "MaxPool", {})
        average = self._pool(low, x, "AveragePool", counted)
        if self.type == PoolingType.AVERAGE:
            return average
        kind, share = low.info(x).dtype, self.blend_factor
        return low.pointwise(f"add(mul(a, {1 - share}:{kind}), mul(b, {share}:{kind}))",
                             self._pool(low, x, "MaxPool", {}), average)


class ILRNLayer(ILayer):
    """y = x / (k + alpha / window * sum of squares over neighbouring channels)^beta."""

    TYPE, TITLE = LayerType.LRN, "LRN"

    window_size = Parameter(0, int, "channels of the window")
    alpha = Parameter(0.0, float, "factor of the sum of squares")
    beta = Parameter(0.0, float, "the power")
    k = Parameter(0.0, float, "added to the scaled sum")

    def _lower(self, low):
        return [low.op("Lrn", [low.value(self._state.inputs[0])],
                       {"size": self.window_size, "alpha": self.alpha, "beta": self.beta,
                        "bias": self.k})]


class IPaddingLayer(ILayer):
    """Zeros around the last two dimensions; negative numbers crop."""

    TYPE, TITLE = LayerType.PADDING, "Padding"

    pre_padding_nd = Parameter(Dims(0, 0), as_dims, "before the two dimensions")
    post_padding_nd = Parameter(Dims(0, 0), as_dims, "behind them")

    def _lower(self, low):
        x = low.value(self._state.inputs[0])
        pre, post, rank = list(self.pre_padding_nd), list(self.post_padding_nd), low.rank(x)
        if len(pre) != 2 or len(post) != 2 or rank < 2:
            raise UnsupportedError("padding takes two numbers for each side of a matrix's ends")
        front = [0] * (rank - 2)
        return [low.op("Pad", [x], {"before": str(front + pre), "after": str(front + post)})]
