# SPDX-License-Identifier: Apache-2.0
"""What all layers share: names, operands, results, precision. A layer object is a view of a
LayerState: `network.get_layer(i)` gives an ILayer, `layer.__class__ = IConvolutionLayer` turns it
into the view that shows a convolution's properties, as programs do."""
from ..enums import DataType
from ..interface import Interface
from ..tensor import ITensor
from ..weights import Weights, as_weights


class LayerState:
    """What the network holds of a layer; views of it compare equal."""

    def __init__(self, network, index, view, inputs, settings):
        self.network, self.index, self.view = network, index, view
        self.name = f"(Unnamed Layer* {index}) [{view.TITLE}]"
        self.inputs = list(inputs)
        self.settings = dict(settings)
        self.outputs = []
        self.output_types = {}
        self.precision = None
        self.metadata = ""
        self.ranks = 1
        self.node = None  # of a parsed layer: its place among the model's nodes
        self.rewired = set()  # of a parsed layer: operands that the program set


class Parameter(property):
    """A layer's property: a default, a conversion, and inference anew when it is set."""

    def __init__(self, default=None, convert=None, doc=None):
        self.default, self.convert = default, convert
        super().__init__(self._read, self._write, doc=doc)

    def __set_name__(self, owner, name):
        self.name = name

    def _read(self, layer):
        return layer._state.settings.get(self.name, self.default)

    def _write(self, layer, value):
        layer._set(self.name, self.convert(value) if self.convert else value)


class WeightsParameter(Parameter):
    """A layer's weights. Read, they are a flat array over their memory, or Weights where NumPy
    lacks the type; none are an empty array."""

    def __init__(self, doc):
        super().__init__(None, as_weights, doc)

    def _read(self, layer):
        return layer._weights(self.name).numpy()


class ILayer(Interface):
    """A layer of a network."""

    TYPE = None  # LayerType
    TITLE = "Layer"  # in default names
    REFUSAL = None  # why a build refuses it
    OUTPUTS = 1

    def __init__(self, state):
        self._state = state

    def __eq__(self, other):
        return isinstance(other, ILayer) and other._state is self._state

    def __hash__(self):
        return id(self._state)

    def _weights(self, name):
        """The Weights of a property; empty where there are none."""
        found = self._state.settings.get(name)
        return Weights() if found is None else found

    def _set(self, name, value):
        state = self._state
        if state.node is not None:
            raise ValueError(f"layer '{state.name}': {name} of a parsed layer cannot be changed; "
                             "edit the model, or replace the layer")
        state.settings[name] = value
        state.network._touch_layer(state)

    @property
    def name(self):
        """The layer's name."""
        return self._state.name

    @name.setter
    def name(self, name):
        self._state.name = str(name)

    @property
    def metadata(self):
        """A text that the inspector shows: the program's, else of a parsed layer its node."""
        return self._state.metadata

    @metadata.setter
    def metadata(self, text):
        self._state.metadata = str(text)

    @property
    def num_ranks(self):
        """Devices that the layer runs on: 1."""
        return self._state.ranks

    @num_ranks.setter
    def num_ranks(self, count):
        if int(count) != 1:
            self._state.network._warn(f"layer '{self.name}': num_ranks {count}: engines run on one "
                                      "device")
        self._state.ranks = int(count)

    @property
    def type(self):
        """The kind of layer."""
        return self._state.view.TYPE

    @property
    def num_inputs(self):
        """How many operands."""
        return len(self._state.inputs)

    @property
    def num_outputs(self):
        """How many results."""
        return len(self._state.outputs)

    def get_input(self, index):
        """Operand `index`, or None."""
        return self._state.inputs[index] if 0 <= index < self.num_inputs else None

    def get_output(self, index):
        """Result `index`, or None."""
        return self._state.outputs[index] if 0 <= index < self.num_outputs else None

    def set_input(self, index, tensor):
        """Another operand; places behind the last one are made as needed."""
        if tensor is not None and not isinstance(tensor, ITensor):
            raise TypeError(f"set_input: expected an ITensor, got {type(tensor).__name__}")
        state = self._state
        index = int(index)
        state.inputs.extend([None] * (index + 1 - len(state.inputs)))
        state.inputs[index] = tensor
        state.rewired.add(index)
        state.network._touch_layer(state)

    @property
    def precision(self):
        """The type in which the layer is to compute; advice unless OBEY_PRECISION_CONSTRAINTS."""
        return DataType.FLOAT if self._state.precision is None else self._state.precision

    @precision.setter
    def precision(self, dtype):
        self._state.precision = DataType(dtype)

    @property
    def precision_is_set(self):
        """Whether `precision` was set."""
        return self._state.precision is not None

    def reset_precision(self):
        """Forgets it."""
        self._state.precision = None

    def set_output_type(self, index, dtype):
        """Asks for a result's type: a conversion where it is an output or changes kind."""
        self._state.output_types[int(index)] = DataType(dtype)
        self._state.network._touch_layer(self._state)

    def get_output_type(self, index):
        """The type asked for, else the inferred one."""
        asked = self._state.output_types.get(int(index))
        return self.get_output(index).dtype if asked is None else asked

    def output_type_is_set(self, index):
        """Whether a type was asked for."""
        return int(index) in self._state.output_types

    def reset_output_type(self, index):
        """Forgets it."""
        if self._state.output_types.pop(int(index), None) is not None:
            self._state.network._touch_layer(self._state)

    # --- for the network: Lathe values of the results, made with a Lowering

    def _lower(self, low):
        raise NotImplementedError(type(self).__name__)

    def _infer(self, low):
        """What stands for the results while the network is under construction."""
        return self._placeholder(low) if self.REFUSAL else self._lower(low)

    def _placeholder(self, low):
        """Shapes of a refused layer's results, as far as they can be told."""
        first = low.info(low.value(self._state.inputs[0]))
        return [low.placeholder(first.dtype, first.shape)] * len(self._state.outputs)
