# SPDX-License-Identifier: Apache-2.0
"""INetworkDefinition: layers as the program adds them, or as a parser read them, inferred when they
are asked for and turned into a lathe.Network when an engine is built."""
from ..errors import Error, UnsupportedError
from . import dtypes
from .adders import Adders
from .debug import NetworkDebug
from .dims import as_dims
from .enums import (DataType, ErrorCodeTRT, LayerType, NetworkDefinitionCreationFlag,
                    Severity)
from .inspector import onnx_metadata
from .interface import Managed
from .layers.base import ILayer, LayerState
from .lowering import Lowering
from .observers import record
from .shape_inputs import ShapeInput, of_network
from .support import Setting
from .tensor import ITensor
from .unroll import inside


class INetworkDefinition(Managed, Adders, NetworkDebug):
    """A network under construction, made by Builder.create_network."""

    error_recorder = Setting(None, "told of errors too")

    _views = {}  # classes that stand in for those of layers

    def __init__(self, builder, flags=0):
        self._builder, self._flags = builder, int(flags)
        self._layers, self._inputs, self._outputs = [], [], []
        self._name, self._counts = "Unnamed Network 0", {}
        self._source = None  # a model that a parser read
        self._scratch, self._failure = None, None
        self._weight_names, self._refittable, self._debug = {}, set(), set()

    # --- reports

    def _report_error(self, text):
        self._builder._logger.log(Severity.ERROR, text)
        record(text, ErrorCodeTRT.INVALID_ARGUMENT, self, self._builder)

    def _warn(self, text):
        self._builder._report(Severity.WARNING, text)

    # --- building

    def _count(self, what):
        self._counts[what] = self._counts.get(what, -1) + 1
        return self._counts[what]

    def _add(self, view, inputs, outputs=None, **settings):
        for tensor in inputs:
            if not isinstance(tensor, ITensor):
                raise TypeError(f"{view.TITLE}: expected an ITensor, got {type(tensor).__name__}")
        view = self._views.get(view, view)
        state = LayerState(self, len(self._layers), view, inputs, settings)
        count = view.OUTPUTS if outputs is None else outputs
        for k in range(count):
            name = state.name + self._output_suffix(k, count)
            state.outputs.append(ITensor(self, name, state, k))
        self._layers.append(state)
        return view(state)

    def _output_suffix(self, index, count):
        """What follows a layer's name in the default names of its outputs."""
        return f"_output ({index})" if index else "_output"

    def add_input(self, name, dtype, shape):
        """An input of the engine; -1 for sizes known at run time."""
        if any(tensor.name == name for tensor in self._inputs):
            self._report_error(f"add_input: there is an input '{name}' already")
            return None
        tensor = ITensor(self, str(name))
        tensor._declared = (DataType(dtype), tuple(as_dims(shape)))
        self._inputs.append(tensor)
        self._scratch = None
        return tensor

    def mark_output(self, tensor):
        """The tensor becomes an output of the engine."""
        if not isinstance(tensor, ITensor):
            raise TypeError(f"mark_output: expected an ITensor, got {type(tensor).__name__}")
        if tensor not in self._outputs:
            self._outputs.append(tensor)

    def unmark_output(self, tensor):
        """The tensor is no output any more."""
        if tensor in self._outputs:
            self._outputs.remove(tensor)

    def mark_output_for_shapes(self, tensor):
        """A shape tensor becomes an output; here as any other."""
        self.mark_output(tensor)
        return True

    def unmark_output_for_shapes(self, tensor):
        """The reverse."""
        self.unmark_output(tensor)
        return True

    def remove_tensor(self, tensor):
        """An input that nothing reads goes."""
        if tensor in self._inputs and not any(tensor in state.inputs for state in self._layers):
            self._inputs.remove(tensor)
            self._scratch = None

    # --- questions

    @property
    def name(self):
        """The network's name; the engine has it too."""
        return self._name

    @name.setter
    def name(self, name):
        self._name = str(name)

    num_layers = property(lambda self: len(self._layers), doc="how many layers")
    num_inputs = property(lambda self: len(self._inputs), doc="how many inputs")
    num_outputs = property(lambda self: len(self._outputs), doc="how many outputs")
    builder = property(lambda self: self._builder, doc="the builder")
    has_implicit_batch_dimension = property(lambda self: False, doc="always False")
    flags = property(lambda self: self._flags, doc="the mask given to create_network")

    def get_flag(self, flag):
        """Whether a NetworkDefinitionCreationFlag was given."""
        if flag == NetworkDefinitionCreationFlag.EXPLICIT_BATCH:
            return True
        return bool(self._flags >> int(flag) & 1)

    def get_layer(self, index):
        """Layer `index` as an ILayer, or None."""
        if not 0 <= index < len(self._layers):
            return None
        return ILayer(self._layers[index])

    def get_input(self, index):
        """Input `index`, or None."""
        return self._inputs[index] if 0 <= index < len(self._inputs) else None

    def get_output(self, index):
        """Output `index`, or None."""
        return self._outputs[index] if 0 <= index < len(self._outputs) else None

    def __len__(self):
        return len(self._layers)

    def __getitem__(self, index):
        return ILayer(self._layers[index])

    def __bool__(self):
        return True

    def _metadata(self):
        """What the program said of layers: {name: text}."""
        return {state.name: state.metadata for state in self._layers
                if state.metadata not in ("", onnx_metadata(state.name))}

    def _aliases(self):
        """Outputs that may lie in the memory of an input, {name: the input's}: caches that only
        the layer reads which updates them."""
        readers = [tensor for state in self._layers for tensor in state.inputs]
        found = {}
        for state in self._layers:
            if state.view.TYPE != LayerType.KV_CACHE_UPDATE:
                continue
            cache, updated = state.inputs[0], state.outputs[0]
            if (updated in self._outputs and cache.is_network_input
                    and cache not in self._outputs and readers.count(cache) == 1):
                found[updated.name] = cache.name
        return found

    # --- refitting

    def set_weights_name(self, weights, name):
        """What a refitter calls the weights."""
        from .weights import as_weights
        self._weight_names[as_weights(weights)._pointer] = str(name)
        return True

    def mark_weights_refittable(self, name):
        """With REFIT_INDIVIDUAL: these weights may be refitted."""
        self._refittable.add(str(name))
        return True

    def unmark_weights_refittable(self, name):
        """The reverse."""
        self._refittable.discard(str(name))
        return True

    def are_weights_marked_refittable(self, name):
        """Whether they were marked."""
        return str(name) in self._refittable

    # --- inference

    def _touch_tensor(self, tensor):
        if tensor.is_network_input:
            self._scratch = None

    def _touch_layer(self, state):
        """What was inferred of the layer and of all that follows from it is stale."""
        if self._scratch is None:
            return
        if state.node is not None:
            self._scratch = None
            return
        stale = set(state.outputs)
        if not any(tensor in self._scratch.values for tensor in stale):
            return
        changed = True
        while changed:
            before = len(stale)
            for other in self._layers:
                if stale.intersection(other.inputs) or other.settings.get("mask") in stale:
                    stale.update(other.outputs)
            changed = len(stale) != before
        for tensor in stale:
            self._scratch.values.pop(tensor, None)

    def _infer(self, tensor):
        """ValueFacts of a tensor; None, and an error reported once, where it cannot be inferred."""
        try:
            if self._scratch is None or self._scratch.shape_tensors != of_network(self):
                self._scratch = self._prepared(final=False)
            for state in self._layers:
                if tensor in self._scratch.values:
                    break
                self._lower_layer(self._scratch, state)
            return self._scratch.info(self._scratch.value(tensor))
        except (Error, ValueError, TypeError) as error:
            if str(error) != self._failure:
                self._failure = str(error)
                self._report_error(str(error))
            return None

    def _parsed_base(self):
        return None if self._source is None else self._source.network()

    def _prepared(self, final, fixed=None):
        """A Lowering that knows the inputs and what a parser read."""
        low = Lowering(self, final, fixed)
        low.shape_tensors = of_network(self)
        if self._source is None:
            for tensor in self._inputs:
                self._lower_input(low, tensor)
            return low
        self._source.place(self, low)
        return low

    def _lower_input(self, low, tensor):
        if tensor in low.shape_tensors:
            known = low.shape_inputs[tensor.name] = ShapeInput.of(tensor)
            low.values[tensor] = known.enter(low, tensor.name)
            return
        dtype, sizes = tensor._declared
        shape = tensor._shape if tensor._shape is not None else sizes
        known = [tensor._symbol(d) if size < 0 else size
                 for d, size in enumerate(shape)]
        value = low.add_input(tensor, dtypes.to_lathe(tensor._dtype or dtype), known)
        low.values[tensor] = low.cast(value, dtypes.to_lathe(dtype))

    def _lower_tensor(self, low, tensor):
        """The value of a tensor that is not known yet."""
        if tensor._producer is None:
            raise ValueError(f"tensor '{tensor.name}' is not of this network")
        loop = inside(low, tensor._producer)
        if loop is not None:
            raise ValueError(f"tensor '{tensor.name}' is inside of loop '{loop}': add_loop_output "
                             "hands it out")
        self._lower_layer(low, tensor._producer)
        return low.values[tensor]

    def _lower_layer(self, low, state):
        if state.node is not None or (state.outputs and state.outputs[0] in low.values):
            return
        view = state.view(state)
        previous = low._layer
        low.layer(state)
        try:
            if view.REFUSAL and low.final:
                raise UnsupportedError(view.REFUSAL)
            results = view._lower(low) if low.final else view._infer(low)
        except (Error, ValueError, TypeError) as error:
            text = f"layer '{state.name}' ({state.view.TITLE}): {error}"
            if str(error).startswith("layer '"):
                raise
            raise (type(error) if isinstance(error, Error) else ValueError)(text) from error
        finally:
            low.layer(previous)
        for k, (tensor, value) in enumerate(zip(state.outputs, results)):
            low.values[tensor] = self._as_asked(low, state, k, value)

    def _as_asked(self, low, state, index, value):
        """The value in the type that set_output_type asked for. Among floats it is advice within
        the network, and a conversion where the tensor is an output."""
        asked = state.output_types.get(index)
        if asked is None:
            return value
        kinds = low.info(value).dtype, dtypes.to_lathe(asked)
        floats = all(k in ("f32", "f16", "bf16") for k in kinds)
        if floats and state.outputs[index] not in self._outputs:
            return value
        return low.cast(value, kinds[1])

    def _lowered(self, fixed=None):
        """A Lowering that is ready to be built; raises what is wrong. fixed: elements of shape
        tensors that all profiles agree on."""
        if not self._outputs:
            raise ValueError("the network has no output: mark_output names one")
        low = self._prepared(True, fixed)
        for state in self._layers:
            if inside(low, state) is None:
                self._lower_layer(low, state)
        if self._source is not None:
            self._source.rewire(self, low)
        taken = set()
        for tensor in self._outputs:
            value = low.value(tensor)
            if not tensor.is_network_input:
                kind = tensor._dtype
                kind = dtypes.shown(low.info(value).dtype) if kind is None else kind
                value = low.cast(value, dtypes.to_lathe(kind))
            value = low.as_bound(tensor, value)
            if value in taken or value.kind != "result":
                value = low.onnx("Identity", [value])
            taken.add(value)
            low.net.mark_output(value, tensor.name)
        return low
