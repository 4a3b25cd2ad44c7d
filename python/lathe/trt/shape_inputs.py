# SPDX-License-Identifier: Apache-2.0
"""Inputs that are shape tensors: INT32 or INT64 of known length, from which layers take sizes. An
engine of Lathe knows sizes by its inputs' shapes alone, so the port of such an input is an array
u8[first element, second element, ..., 0]: it holds nothing, and its sizes are the elements."""
import ctypes
from dataclasses import dataclass

from ..errors import InputError
from . import dtypes
from .enums import DataType, LayerType, TensorIOMode

# Operands by which a layer takes sizes.
_OPERANDS = {LayerType.SHUFFLE: (1,), LayerType.SLICE: (1, 2, 3), LayerType.RESIZE: (1,),
             LayerType.FILL: (0,), LayerType.TOPK: (1,)}
_C_TYPES = {DataType.INT32: ctypes.c_int32, DataType.INT64: ctypes.c_int64}
_ONNX_TYPES = {DataType.INT32: 6, DataType.INT64: 7}
_MOST = 64  # elements: what other inputs of this kind hold is data, not a shape


def of_network(network):
    """The inputs of a network that are shape tensors."""
    candidates = [t for t in network._inputs if t._origin is None and _may_be(t)]
    if not candidates:
        return frozenset()
    reached, waiting = set(), [
        state.inputs[k] for state in network._layers if state.node is None
        for k in _OPERANDS.get(state.view.TYPE, ()) if k < len(state.inputs)]
    while waiting:
        tensor = waiting.pop()
        if tensor is None or tensor in reached:
            continue
        reached.add(tensor)
        producer = tensor._producer
        if producer is not None and producer.view.TYPE != LayerType.SHAPE:
            waiting.extend(producer.inputs)
    return frozenset(t for t in candidates if t in reached)


def fixed_elements(profiles):
    """{name of a shape tensor: its elements}, None for those that differ within or between the
    profiles."""
    fixed = {}
    for profile in profiles:
        for name, (low, _, high) in profile._values.items():
            own = [a if a == b else None for a, b in zip(low, high)]
            known = fixed.setdefault(name, own)
            if known != own:
                fixed[name] = [a if a == b else None for a, b in zip(known, own)]
    return fixed


def _may_be(tensor):
    shape = tuple(tensor.shape)
    return tensor.dtype in _C_TYPES and (not shape or len(shape) == 1 and 0 < shape[0] <= _MOST)


@dataclass(frozen=True)
class ShapeInput:
    """What an engine's plan says of one."""

    dtype: DataType
    shape: tuple  # () or (length,)

    @property
    def length(self):
        """Elements."""
        return self.shape[0] if self.shape else 1

    @staticmethod
    def of(tensor):
        """Of an input of a network."""
        return ShapeInput(tensor.dtype, tuple(tensor.shape))

    def enter(self, low, name):
        """The elements as a value of a Lowering, whose network gets the port. Elements that every
        profile fixes are constants."""
        count = self.length
        port = low.net.add_input(name, "u8", [*low.fixed.get(name, [None] * count), 0])
        ends = [low.constant([k]) for k in (0, count)]
        elements = low.onnx("Slice", [low.onnx("Shape", [port]), *ends])
        if not self.shape:
            elements = low.reshape(elements, [])
        return low.onnx("Cast", [elements], {"to": _ONNX_TYPES[self.dtype]})

    def read(self, address):
        """The elements at an address of the host's."""
        return tuple((_C_TYPES[self.dtype] * self.length).from_address(address))

    def to_json(self):
        """As a plan keeps it."""
        return [dtypes.to_lathe(self.dtype), list(self.shape)]

    @staticmethod
    def from_json(facts):
        """KeyError, TypeError or ValueError where a plan holds something else."""
        kind, shape = dtypes.from_lathe(facts[0]), tuple(facts[1])
        if kind not in _C_TYPES or len(shape) > 1 or not all(
                type(s) is int and 0 < s <= _MOST for s in shape):
            raise ValueError(f"a shape input is {facts}")
        return ShapeInput(kind, shape)


def port_shape(values):
    """The port's shape for elements."""
    return [*values, 0]


class ShapeTensor:
    """Facts of an engine's input that is a shape tensor; its "shape" in a context is its
    elements."""

    mode, layout = TensorIOMode.INPUT, None

    def __init__(self, port, known, profiles):
        """InputError where the port, or the elements of a profile, are not what the plan says."""
        count = known.length
        if (str(port.type) != "u8" or len(port.shape) != count + 1 or port.shape[-1] != 0
                or any(len(s) != count for p in profiles for s in p.shapes.get(port.name, [()]))):
            raise InputError(f"the plan is damaged: '{port.name}' is no shape input")
        self.name, self.known = port.name, known
        self.dtype, self.shape = known.dtype, known.shape

    @staticmethod
    def own_shape(memory):
        """The elements from the port's shape."""
        return tuple(memory[:-1])

    @staticmethod
    def memory_shape(values):
        """The port's shape from the elements."""
        return port_shape(values)

    @staticmethod
    def bytes(values):
        """0: the engine reads nothing."""
        return 0


class ContextShapeInputs:
    """IExecutionContext's part: elements are read from the host's memory whenever shapes are asked
    for, and before each run."""

    def _start_shape_inputs(self):
        self._given_values = set()  # names whose elements a program gave without an address

    def _read_shape_inputs(self, current):
        """Takes over what stands at the addresses of shape tensors."""
        for name, found in self._engine._shape_tensors.items():
            address = self._addresses[name]
            if address and name not in self._given_values:
                self._take_values(current, found, found.known.read(address))

    def _take_values(self, current, found, values):
        """ValueError where the elements are outside of the profile."""
        values = tuple(values)
        if values == current.shapes[found.name]:
            return
        low, _, high = current.limits[found.name]
        if len(values) != len(low) or not all(a <= v <= b for a, v, b in zip(low, values, high)):
            raise ValueError(f"shape input '{found.name}' is {values}, which is outside of profile "
                             f"{self._profile}: {tuple(low)} to {tuple(high)}")
        current.session.set_shape(found.name, found.memory_shape(values))
        current.shapes[found.name], self._dirty = values, True

    def _set_values(self, name, values):
        """Whether the elements of a shape tensor are within the profile: those of a program that
        gives numbers instead of an address."""
        try:
            self._take_values(self._current(), self._engine._shape_tensors[name], values)
        except (KeyError, ValueError) as error:
            self._report(f"set_shape_input: {error}")
            return False
        self._given_values.add(name)
        return True
