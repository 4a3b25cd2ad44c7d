# SPDX-License-Identifier: Apache-2.0
"""From layers to lathe.Network: one Lowering holds one lathe.Network and knows which of its values
each ITensor is. The network keeps a scratch one for inference, where unknown things are stand-ins,
and makes a fresh one for a build, where they are errors."""
from dataclasses import dataclass

import numpy as np

from .. import _core
from ..errors import UnsupportedError
from ..network import Network, Value
from . import dtypes
from .formats import Layout
from .unroll import bodies


@dataclass
class ValueFacts:
    """What is inferred of a value. Sizes and contents are ints or texts of symbols ("2*N")."""

    dtype: str
    shape: list
    contents: list | None


class Lowering:
    """Builds a lathe.Network. `final`: for a build."""

    def __init__(self, network, final=False, fixed=None):
        self.final, self.network = final, network
        self.fixed = fixed or {}  # elements of shape tensors: shape_inputs.py
        base = network._parsed_base()  # false where the model has no nodes
        self.net = Network(network.name) if base is None else base
        self.values = {}  # ITensor -> value
        self.bodies = bodies(network) if final else {}  # of loops
        self.turns = {}  # ILoop -> turn, of those that are being unrolled
        self.unrolled, self.unrolled_layers = {}, 0  # results of loops; what they made
        self.weights = {}  # (layer name, role) -> name of a constant
        self.assertions = []  # about sizes
        self.layouts = {}  # name of an input or output -> Layout, where it is not linear
        self.shape_tensors = frozenset()  # inputs that are, and by name what they are
        self.shape_inputs = {}
        self._facts, self._constants = {}, {}
        self._layer = None

    # --- values

    def value(self, tensor):
        """The value that a tensor is; lowers what it depends on."""
        if tensor is None:
            raise ValueError("an operand is missing")
        found = self.values.get(tensor)
        if found is None:
            found = self.network._lower_tensor(self, tensor)
        return found

    def info(self, value):
        """ValueFacts of a value."""
        facts = self._facts.get(value)
        if facts is None:
            contents = value.contents
            facts = ValueFacts(value.dtype, list(value.shape),
                               None if contents is None else list(contents))
            self._facts[value] = facts
        return facts

    def shape(self, value):
        """Sizes of a value."""
        return self.info(value).shape

    def rank(self, value):
        """Number of dimensions of a value."""
        return len(self.info(value).shape)

    def static(self, value, axes=None):
        """Sizes along `axes` (all) as ints; UnsupportedError where one is not known."""
        sizes = self.shape(value)
        sizes = sizes if axes is None else [sizes[a] for a in axes]
        for size in sizes:
            if not isinstance(size, int):
                raise UnsupportedError(f"the size {size} must be known when the engine is built")
        return sizes

    def contents(self, tensor):
        """Elements of a shape tensor: ints, or texts of symbols."""
        contents = self.info(self.value(tensor)).contents
        if contents is None:
            raise UnsupportedError(f"tensor '{tensor.name}' gives a shape that depends on data")
        return contents

    def constants(self, tensor):
        """Elements of a shape tensor, all of which must be numbers."""
        contents = self.contents(tensor)
        if not all(isinstance(size, int) for size in contents):
            raise UnsupportedError(f"tensor '{tensor.name}' must be constant: it is {contents}")
        return contents

    # --- inputs and outputs

    def add_input(self, tensor, dtype, sizes):
        """The value of a tensor that is a new input; its port has the binding's memory's shape."""
        layout = Layout.of(tensor, sizes) if self.final else None
        if layout is None:
            return self.net.add_input(tensor.name, dtype, sizes)
        self.layouts[tensor.name] = layout
        return layout.enter(self, self.net.add_input(tensor.name, dtype,
                                                     layout.memory_shape(sizes)))

    def as_bound(self, tensor, value):
        """The value of an output's port."""
        layout = Layout.of(tensor, self.shape(value))
        if layout is None:
            return value
        self.layouts[tensor.name] = layout
        return layout.leave(self, value)

    # --- nodes

    def layer(self, state):
        """Nodes made from here on carry the layer's name."""
        self._layer = state

    def _name(self):
        if not self.final or self._layer is None:
            return ""
        turns = ".".join(str(turn) for turn in self.turns.values())
        return f"{self._layer.name} [turn {turns}]" if turns else self._layer.name

    def onnx(self, op, operands, attributes=None, results=None, opset=21, domain=""):
        """A node of an ONNX operator; its result, or the list of `results` of them."""
        node = self.net.add_onnx(op, list(operands), attributes, self._name(), domain=domain,
                                 opset=opset, results=-1 if results is None else results)
        return node.result if results is None else node.results[:results]

    def op(self, op, operands, attributes=None, results=None):
        """A node of an operator of Lathe's own; its result, or the list of `results`."""
        node = self.net.add(op, list(operands), attributes, self._name())
        return node.result if results is None else node.results[:results]

    def pointwise(self, expression, *operands):
        """One elementwise expression over operands a, b, ...: "add(a, b)"."""
        names = ", ".join(f"{chr(97 + k)}:{self.info(v).dtype}" for k, v in enumerate(operands))
        return self.op("Pointwise", operands, {"expr": f"({names}) -> {expression}"})

    def constant(self, array, name=""):
        """A constant of a NumPy array."""
        return self.net.add_constant(np.asarray(array), name if self.final else "")

    def weights_constant(self, weights, shape, role, layer=None):
        """A constant of Weights, known to a refitter as (layer, role)."""
        state = layer or self._layer
        wanted = int(np.prod(shape, dtype=np.int64))
        if weights.size != wanted:
            raise ValueError(f"{role.name} weights have {weights.size} elements, expected {wanted} "
                             f"for {tuple(shape)}")
        name = self.network._weight_names.get(weights._pointer, f"{state.name} {role.name}")
        if (state.name, role) in self._constants:  # in another turn of a loop
            return self._constants[state.name, role]
        value = self._borrow(weights, shape, name)
        if self.final:
            self.weights[(state.name, role)] = name
            self._constants[state.name, role] = value
        return value

    def _borrow(self, weights, shape, name):
        bits = np.ascontiguousarray(weights._bits()) if weights.size else np.empty(0, np.uint8)
        array = _core.Array(dtypes.to_lathe(weights.dtype), list(shape), bits.ctypes.data,
                            weights.nbytes, bits)
        return Value(self.net, self.net._core.add_constant(name if self.final else "", array))

    def cast(self, value, dtype):
        """The value as another type (Lathe's name)."""
        if self.info(value).dtype == dtype:
            return value
        return self.pointwise(f"cast(a, {dtype})", value)

    def match(self, *values):
        """Floats of several widths as the widest, as a weakly typed network computes them."""
        kinds = [self.info(v).dtype for v in values]
        floats = {k for k in kinds if k in ("f16", "bf16", "f32")}
        if len(floats) <= 1:
            return list(values)
        return [self.cast(v, "f32") if k in floats else v for v, k in zip(values, kinds)]

    def float_of(self, weights_value, like):
        """Constant weights as the float type of the value that they meet."""
        kind = self.info(like).dtype
        return self.cast(weights_value, kind) if kind in ("f16", "bf16", "f32") else weights_value

    def reshape(self, value, sizes):
        """The value under other sizes (ints, or texts of symbols)."""
        return self.op("Reshape", [value], {"shape": dims_text(sizes)})

    def transpose(self, value, order):
        """The value with its dimensions in another order."""
        order = list(order)
        if order == sorted(order):
            return value
        return self.op("Transpose", [value], {"perm": order})

    def placeholder(self, dtype, shape):
        """A stand-in for what cannot be computed; never in a build."""
        if self.final:
            raise UnsupportedError("it cannot be computed")
        return self.net.add_input("", dtype, [s if isinstance(s, int) else -1 for s in shape])


def dims_text(sizes):
    """Sizes as Lathe's operators take them: "[N, 3, 2*H]"."""
    return "[" + ", ".join(str(size) for size in sizes) + "]"
