# SPDX-License-Identifier: Apache-2.0
"""Layers that compute each element by itself: all of them are expressions of Lathe's Pointwise."""
import numpy as np

from .. import dtypes
from ..enums import (ActivationType, DataType, ElementWiseOperation, LayerType, ScaleMode,
                     UnaryOperation, WeightsRole)
from .base import ILayer, Parameter, WeightsParameter

_SELU = (1.6732632423543772, 1.0507009873554805)

# {A}, {B}: alpha and beta; a: the element.
_ACTIVATIONS = {
    ActivationType.RELU: "max(a, 0:T)",
    ActivationType.SIGMOID: "sigmoid(a)",
    ActivationType.TANH: "tanh(a)",
    ActivationType.LEAKY_RELU: "select(ge(a, 0:T), a, mul({A}, a))",
    ActivationType.ELU: "select(ge(a, 0:T), a, mul({A}, expm1(a)))",
    ActivationType.SELU: "mul({B}, select(ge(a, 0:T), a, mul({A}, expm1(a))))",
    ActivationType.SOFTSIGN: "div(a, add(1:T, abs(a)))",
    ActivationType.SOFTPLUS: "mul({A}, add(max(mul({B}, a), 0:T), "
                             "log1p(exp(neg(abs(mul({B}, a)))))))",
    ActivationType.CLIP: "max({A}, min({B}, a))",
    ActivationType.HARD_SIGMOID: "max(0:T, min(1:T, add(mul({A}, a), {B})))",
    ActivationType.SCALED_TANH: "mul({A}, tanh(mul({B}, a)))",
    ActivationType.THRESHOLDED_RELU: "select(gt(a, {A}), a, 0:T)",
    ActivationType.GELU_ERF: "mul(mul(a, 0.5:T), add(1:T, erf(mul(a, 0.7071067811865476:T))))",
    ActivationType.GELU_TANH: "mul(mul(a, 0.5:T), add(1:T, tanh(mul(0.7978845608028654:T, "
                              "add(a, mul(0.044715:T, mul(a, mul(a, a))))))))",
}
_BINARY = {
    ElementWiseOperation.SUM: "add(a, b)",
    ElementWiseOperation.PROD: "mul(a, b)",
    ElementWiseOperation.MAX: "max(a, b)",
    ElementWiseOperation.MIN: "min(a, b)",
    ElementWiseOperation.SUB: "sub(a, b)",
    ElementWiseOperation.DIV: "div(a, b)",
    ElementWiseOperation.POW: "pow(a, b)",
    ElementWiseOperation.AND: "and(a, b)",
    ElementWiseOperation.OR: "or(a, b)",
    ElementWiseOperation.XOR: "xor(a, b)",
    ElementWiseOperation.EQUAL: "eq(a, b)",
    ElementWiseOperation.GREATER: "gt(a, b)",
    ElementWiseOperation.LESS: "lt(a, b)",
}
_UNARY_NAMES = {UnaryOperation.RECIP: "reciprocal"}


def typed(expression, kind):
    """The expression with its literals' type filled in."""
    return expression.replace(":T", f":{kind}")


class IActivationLayer(ILayer):
    """A function of one element, some with the parameters alpha and beta."""

    TYPE, TITLE = LayerType.ACTIVATION, "Activation"

    type = Parameter(ActivationType.RELU, ActivationType, "the function")

    def _default(self, which):
        if self.type == ActivationType.SELU:
            return _SELU[which]
        if self.type == ActivationType.LEAKY_RELU:
            return (0.01, 0.0)[which]
        if self.type == ActivationType.HARD_SIGMOID:
            return (0.2, 0.5)[which]
        return 1.0 if self.type in (ActivationType.ELU, ActivationType.SOFTPLUS,
                                    ActivationType.SCALED_TANH) else 0.0

    alpha = property(lambda self: self._state.settings.get("alpha", self._default(0)),
                     lambda self, value: self._set("alpha", float(value)),
                     doc="the function's first parameter")
    beta = property(lambda self: self._state.settings.get("beta", self._default(1)),
                    lambda self, value: self._set("beta", float(value)),
                    doc="the function's second parameter")

    def _lower(self, low):
        x = low.value(self._state.inputs[0])
        kind = low.info(x).dtype
        text = _ACTIVATIONS[self.type].format(A=f"{float(self.alpha)!r}:T",
                                              B=f"{float(self.beta)!r}:T")
        return [low.pointwise(typed(text, kind), x)]


class IElementWiseLayer(ILayer):
    """A function of two elements; sizes of 1 are stretched."""

    TYPE, TITLE = LayerType.ELEMENTWISE, "ElementWise"

    op = Parameter(ElementWiseOperation.SUM, ElementWiseOperation, "the function")

    def _lower(self, low):
        a, b = low.match(*(low.value(t) for t in self._state.inputs))
        kinds = low.info(a).dtype, low.info(b).dtype
        if kinds[0] != kinds[1]:
            raise ValueError(f"the operands have types {kinds[0]} and {kinds[1]}, expected one")
        if low.rank(a) != low.rank(b):
            raise ValueError(f"the operands have ranks {low.rank(a)} and {low.rank(b)}, expected "
                             "one")
        if self.op == ElementWiseOperation.FLOOR_DIV:
            return [self._floor_div(low, a, b, kinds[0])]
        return [low.pointwise(_BINARY[self.op], a, b)]

    def _floor_div(self, low, a, b, kind):
        if kind in ("f32", "f16", "bf16"):
            return low.pointwise("floor(div(a, b))", a, b)
        if low.info(a).contents is not None and low.info(b).contents is not None:
            return low.pointwise("div(a, b)", a, b)  # sizes: neither is negative
        return low.pointwise("div(sub(a, mod(a, b)), b)", a, b)


class IUnaryLayer(ILayer):
    """A function of one element."""

    TYPE, TITLE = LayerType.UNARY, "Unary"

    op = Parameter(UnaryOperation.EXP, UnaryOperation, "the function")

    def _lower(self, low):
        name = _UNARY_NAMES.get(self.op, self.op.name.lower())
        return [low.pointwise(f"{name}(a)", low.value(self._state.inputs[0]))]


class IScaleLayer(ILayer):
    """y = (x * scale + shift) ^ power, with one number, one for each channel, or one an element."""

    TYPE, TITLE = LayerType.SCALE, "Scale"

    mode = Parameter(ScaleMode.UNIFORM, ScaleMode, "how many numbers")
    shift = WeightsParameter("added; empty: 0")
    scale = WeightsParameter("factor; empty: 1")
    power = WeightsParameter("exponent; empty: 1")
    channel_axis = Parameter(1, int, "the channels' dimension")

    def _shape(self, low, x):
        rank = low.rank(x)
        if self.mode == ScaleMode.UNIFORM:
            return [1] * rank
        if self.mode == ScaleMode.ELEMENTWISE:
            return [1] + low.static(x, range(1, rank))
        return [low.static(x, [d])[0] if d == self.channel_axis else 1 for d in range(rank)]

    def _lower(self, low):
        x = low.value(self._state.inputs[0])
        shape = self._shape(low, x)
        for name, role, expression in (("scale", WeightsRole.SCALE, "mul(a, b)"),
                                       ("shift", WeightsRole.SHIFT, "add(a, b)"),
                                       ("power", WeightsRole.ANY, "pow(a, b)")):
            weights = self._weights(name)
            if weights.size:
                number = low.float_of(low.weights_constant(weights, shape, role), x)
                x = low.pointwise(expression, x, number)
        return [x if x is not low.value(self._state.inputs[0]) else low.onnx("Identity", [x])]


class IParametricReLULayer(ILayer):
    """x where it is positive, else x * slopes."""

    TYPE, TITLE = LayerType.PARAMETRIC_RELU, "Parametric ReLU"

    def _lower(self, low):
        x, slopes = low.match(*(low.value(t) for t in self._state.inputs))
        kind = low.info(x).dtype
        return [low.pointwise(f"select(ge(a, 0:{kind}), a, mul(a, b))", x, slopes)]


class ISelectLayer(ILayer):
    """then_input where the condition holds, else else_input."""

    TYPE, TITLE = LayerType.SELECT, "Select"

    def _lower(self, low):
        condition, then, other = (low.value(t) for t in self._state.inputs)
        return [low.pointwise("select(a, b, c)", condition, *low.match(then, other))]


class IIdentityLayer(ILayer):
    """The same values; with set_output_type, converted."""

    TYPE, TITLE = LayerType.IDENTITY, "Identity"

    def _lower(self, low):
        return [low.onnx("Identity", [low.value(self._state.inputs[0])])]


class ICastLayer(ILayer):
    """The values as another type."""

    TYPE, TITLE = LayerType.CAST, "Cast"

    to_type = Parameter(DataType.FLOAT, DataType, "the type")

    def _lower(self, low):
        value, kind = low.value(self._state.inputs[0]), dtypes.to_lathe(self.to_type)
        if kind == "u8" and low.info(value).dtype in ("f32", "f16", "bf16"):
            value = low.cast(value, "i32")  # integers wrap, as TensorRT does; floats saturate
        return [low.cast(value, kind)]


class IAssertionLayer(ILayer):
    """A condition that must hold: checked at build where it is known then, before each run where it
    is about the inputs' sizes."""

    TYPE, TITLE, OUTPUTS = LayerType.ASSERTION, "Assertion", 0

    message = Parameter("", str, "what is said when it does not hold")

    def _lower(self, low):
        contents = low.info(low.value(self._state.inputs[0])).contents
        if contents is not None and not np.all(contents):
            raise ValueError(f"assertion failed: {self.message}")
        if contents is None and low.final:
            self._leave_to_the_run(low)
        return []

    def _leave_to_the_run(self, low):
        from ..assertions import assertion
        made = assertion(low, self)
        if made is not None:
            low.assertions.append(made)
        else:
            self._state.network._warn(f"layer '{self.name}': the condition depends on data and is "
                                      f"not checked: {self.message}")
