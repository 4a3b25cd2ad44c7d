# SPDX-License-Identifier: Apache-2.0
"""Fill: values made from nothing; quantization; plugins."""
import numpy as np

from ...errors import UnsupportedError
from .. import dtypes
from ..dims import Dims, as_dims
from ..enums import DataType, FillOperation, LayerType
from ..support import CUSTOM_OPERATORS
from .base import ILayer, Parameter
from .indexing import iota


class IFillLayer(ILayer):
    """alpha + beta * place. Inputs, where they are set: 0 the shape, 1 alpha, 2 beta."""

    TYPE, TITLE = LayerType.FILL, "Fill"

    shape = Parameter(Dims(), as_dims, "the result's shape")
    operation = Parameter(FillOperation.LINSPACE, FillOperation, "LINSPACE, or refused")
    alpha = Parameter(0.0, None, "LINSPACE: the first value")
    beta = Parameter(1.0, None, "LINSPACE: the step")
    to_type = Parameter(DataType.FLOAT, DataType, "the result's type")

    @property
    def REFUSAL(self):  # noqa: N802
        """Why a build refuses it: random values."""
        if self.operation == FillOperation.LINSPACE:
            return None
        return "Lathe has no random values: give them as an input"

    def is_alpha_beta_int64(self):
        """Whether alpha and beta were given as integers."""
        return isinstance(self.alpha, int) and isinstance(self.beta, int)

    def _operand(self, index):
        inputs = self._state.inputs
        return inputs[index] if index < len(inputs) else None

    def _sizes(self, low):
        given = self._operand(0)
        return list(self.shape) if given is None else list(low.contents(given))

    def _placeholder(self, low):
        return [low.placeholder(dtypes.to_lathe(self.to_type), self._sizes(low))]

    def _lower(self, low):
        sizes, kind = self._sizes(low), dtypes.to_lathe(self.to_type)
        alpha = self._number(low, 1, self.alpha, kind)
        beta = self._number(low, 2, self.beta, kind)
        total = low.reshape(alpha, [1] * len(sizes))
        for d, size in enumerate(sizes):
            row = low.cast(iota(low, size), kind)
            place = low.reshape(row, [1] * d + [size] + [1] * (len(sizes) - d - 1))
            total = low.pointwise("add(a, mul(b, c))", total, place,
                                  self._step(low, beta, d, len(sizes)))
        return [total]

    def _number(self, low, index, setting, kind):
        given = self._operand(index)
        if given is not None:
            return low.cast(low.value(given), kind)
        return low.cast(low.constant(np.array(setting, np.float64)), kind)

    @staticmethod
    def _step(low, beta, axis, rank):
        """Dimension `axis`'s step as [1...]; one step for all is the last dimension's alone."""
        if low.rank(beta) == 0:
            if rank != 1:
                raise UnsupportedError("one step for several dimensions; beta is one for each")
            return low.reshape(beta, [1])
        part = low.op("Slice", [beta], {"axes": [0], "starts": f"[{axis}]", "sizes": "[1]",
                                        "steps": [1]})
        return low.reshape(part, [1] * rank)


class _Quantizing(ILayer):
    """What the two directions share: a scale, perhaps a zero point, an axis."""

    OP = None

    axis = Parameter(-1, int, "the dimension that scales run along; -1: one scale")
    block_shape = Parameter(Dims(), as_dims, "refused at build where it is set")

    def _operands(self, low, low_type):
        if len(self.block_shape):
            raise UnsupportedError("scales for blocks; use one for each channel or tensor")
        if low_type != DataType.INT8:
            raise UnsupportedError(f"quantization to {low_type.name}; INT8 is supported")
        inputs = [low.value(t) for t in self._state.inputs if t is not None]
        scale = inputs[1]
        if low.rank(scale) == 1 and low.shape(scale) == [1]:
            inputs[1] = low.reshape(scale, [])
        if len(inputs) < 3:
            sizes = [s if isinstance(s, int) else 1 for s in low.shape(inputs[1])]
            inputs.append(low.constant(np.zeros(sizes, np.int8)))
        inputs[2] = low.cast(inputs[2], "i8")  # programs give it in the type of the scale
        return inputs

    def _attributes(self, low, scale):
        return {"axis": self.axis} if low.rank(scale) else {}


class IQuantizeLayer(_Quantizing):
    """round(x / scale) + zero point, within INT8."""

    TYPE, TITLE = LayerType.QUANTIZE, "Quantize"

    to_type = Parameter(DataType.INT8, DataType, "the result's type")

    def _lower(self, low):
        inputs = self._operands(low, self.to_type)
        inputs[0] = low.cast(inputs[0], low.info(inputs[1]).dtype)
        return [low.onnx("QuantizeLinear", inputs, self._attributes(low, inputs[1]))]


class IDequantizeLayer(_Quantizing):
    """(x - zero point) * scale."""

    TYPE, TITLE = LayerType.DEQUANTIZE, "Dequantize"

    to_type = Parameter(DataType.FLOAT, DataType, "the result's type")

    def _lower(self, low):
        inputs = self._operands(low, dtypes.from_lathe(
            low.info(low.value(self._state.inputs[0])).dtype))
        y = low.onnx("DequantizeLinear", inputs, self._attributes(low, inputs[1]))
        return [low.cast(y, dtypes.to_lathe(self.to_type))]


class IDynamicQuantizeLayer(ILayer):
    """Blocks with scales of their own, in FP4 or FP8."""

    TYPE, TITLE, OUTPUTS = LayerType.DYNAMIC_QUANTIZE, "DynamicQuantize", 2
    REFUSAL = "Lathe does not compute in FP4 or FP8 yet; build with FP16 or BF16"

    axis = Parameter(-1, int, "the dimension that is blocked")
    block_size = Parameter(16, int, "elements of a block")
    block_shape = Parameter(Dims(), as_dims, "a block's shape")
    to_type = Parameter(DataType.FP4, DataType, "the elements' type")
    scale_type = Parameter(DataType.FP8, DataType, "the scales' type")


class _Plugin(ILayer):
    """A layer of a program's own."""

    OUTPUTS = 1

    plugin = property(lambda self: self._state.settings["plugin"], doc="the plugin object")

    @property
    def REFUSAL(self):  # noqa: N802
        """Why a build refuses it, unless Lathe has the operator itself."""
        return None if self._twin() else f"plugin {self._kind()}: {CUSTOM_OPERATORS}"

    def _kind(self):
        plugin = self.plugin
        return getattr(plugin, "plugin_type", None) or getattr(plugin, "plugin_name", "plugin")

    def _twin(self):
        return self._kind() == "InstanceNormalization_TRT"

    def _lower(self, low):
        x = low.value(self._state.inputs[0])
        fields = self.plugin.fields
        channels = low.static(x, [1])[0]
        shape = [1, channels] + [1] * (low.rank(x) - 2)
        scale, bias = (low.float_of(low.constant(
            np.asarray(fields[name], np.float32).reshape(shape)), x) for name in ("scales", "bias"))
        return [low.op("Normalize", [x, scale, bias], {
            "axes": list(range(2, low.rank(x))), "kind": "layer",
            "epsilon": float(np.asarray(fields.get("epsilon", 1e-5)).reshape(-1)[0])})]


class IPluginV2Layer(_Plugin):
    """A layer of an IPluginV2."""

    TYPE, TITLE = LayerType.PLUGIN_V2, "PluginV2"


class IPluginV3Layer(_Plugin):
    """A layer of an IPluginV3."""

    TYPE, TITLE = LayerType.PLUGIN_V3, "PluginV3"
