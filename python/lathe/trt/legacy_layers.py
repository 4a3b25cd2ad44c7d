# SPDX-License-Identifier: Apache-2.0
"""Layers as 8.x had them, where 10.x has none such, or others: legacy.py mixes them in."""
import math

from .enums import LayerType, ResizeCoordinateTransformation, WeightsRole
from .layers.base import ILayer, Parameter, WeightsParameter

_INT32 = 6  # ONNX's number


class LegacyShape:
    """Sizes are INT32; 10.x has INT64."""

    def _lower(self, low):
        sizes = low.onnx("Shape", [low.value(self._state.inputs[0])])
        return [low.onnx("Cast", [sizes], {"to": _INT32})]


class LegacyResize:
    """IResizeLayer's name of 7.x."""

    @property
    def align_corners(self):
        """Whether the corners' samples lie on each other; else ASYMMETRIC."""
        return self.coordinate_transformation == ResizeCoordinateTransformation.ALIGN_CORNERS

    @align_corners.setter
    def align_corners(self, aligned):
        self.coordinate_transformation = (
            ResizeCoordinateTransformation.ALIGN_CORNERS if aligned
            else ResizeCoordinateTransformation.ASYMMETRIC)


class IFullyConnectedLayer(ILayer):
    """The last three dimensions, flattened, times kernel^T, plus bias: [..., outputs, 1, 1]."""

    TYPE, TITLE = LayerType.MATRIX_MULTIPLY, "Fully Connected"

    num_output_channels = Parameter(0, int, "rows of the kernel")
    kernel = WeightsParameter("[num_output_channels, elements of a sample]")
    bias = WeightsParameter("[num_output_channels], or empty")

    def _lower(self, low):
        x = low.value(self._state.inputs[0])
        outer, count = low.shape(x)[:-3], self.num_output_channels
        inner = math.prod(low.static(x, [-3, -2, -1]))
        matrix = low.float_of(low.weights_constant(self._weights("kernel"), [count, inner],
                                                   WeightsRole.KERNEL), x)
        y = low.onnx("MatMul", [low.reshape(x, [*outer, inner]), low.transpose(matrix, [1, 0])])
        if self._weights("bias").size:
            bias = low.weights_constant(self._weights("bias"), [count], WeightsRole.BIAS)
            y = low.onnx("Add", [y, low.float_of(bias, x)])
        return [low.reshape(y, [*outer, count, 1, 1])]
