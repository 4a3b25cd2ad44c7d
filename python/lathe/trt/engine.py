# SPDX-License-Identifier: Apache-2.0
"""ICudaEngine: an engine that was read from a plan. Immutable but for refitting; use it from any
thread. Its tensors are the inputs, then the outputs."""
import math

from ..errors import InputError
from . import dtypes
from .dims import Dims
from .enums import (EngineCapability, EngineStat, ErrorCodeTRT, ExecutionContextAllocationStrategy,
                    HardwareCompatibilityLevel, ProfilingVerbosity, SerializationFlag, Severity,
                    TensorFormat, TensorIOMode, TensorLocation)
from .formats import described
from .interface import Interface, Managed
from .inspector import EngineInspector
from .memory import IHostMemory
from .observers import record
from .shape_inputs import ShapeTensor
from .stripped import device_memory_size, opened, profile_of, weights_of
from .support import Setting, deprecated


class ISerializationConfig(Interface):
    """What serialize_with_config leaves out."""

    def __init__(self):
        self._flags = 0

    flags = property(lambda self: self._flags,
                     lambda self, mask: setattr(self, "_flags", int(mask)),
                     doc="a mask of SerializationFlag")

    def set_flag(self, flag):
        """Sets one. Of a refittable engine EXCLUDE_WEIGHTS leaves out the weights, so that it must
        be refitted before it runs, and INCLUDE_REFIT keeps what refitting needs."""
        self._flags |= 1 << int(SerializationFlag(flag))
        return True

    def clear_flag(self, flag):
        """Clears one."""
        self._flags &= ~(1 << int(SerializationFlag(flag)))
        return True

    def get_flag(self, flag):
        """Whether it is set."""
        return bool(self._flags >> int(SerializationFlag(flag)) & 1)


class IRuntimeConfig(Interface):
    """How a context is made."""

    def __init__(self):
        self._strategy = ExecutionContextAllocationStrategy.STATIC

    def set_execution_context_allocation_strategy(self, strategy):
        """STATIC, ON_PROFILE_CHANGE or USER_MANAGED."""
        self._strategy = ExecutionContextAllocationStrategy(strategy)

    def get_execution_context_allocation_strategy(self):
        """The strategy."""
        return self._strategy


class _Tensor:
    """Facts of an input or output."""

    def __init__(self, port, mode, layout):
        self.name, self.mode, self.layout = port.name, mode, layout
        try:
            self.dtype = dtypes.from_lathe(port.type)
        except TypeError as error:
            raise InputError(f"tensor '{port.name}': {error}") from error
        self.shape = tuple(s if isinstance(s, int) else -1 for s in self.own_shape(port.shape))
        if layout is not None and self.memory_shape(self.own_shape(port.shape)) != list(
                port.shape):
            raise InputError(f"the plan is damaged: '{port.name}' is not {layout.format.name}")

    def own_shape(self, memory):
        """The tensor's shape from the port's, which is that of the binding's memory."""
        return tuple(memory if self.layout is None else self.layout.shape(memory))

    def memory_shape(self, shape):
        """The port's shape from the tensor's."""
        return list(shape) if self.layout is None else self.layout.memory_shape(shape)

    def bytes(self, shape):
        """Bytes of the binding's memory."""
        return dtypes.byte_size(self.dtype, max(math.prod(self.memory_shape(shape)), 0))


class ICudaEngine(Managed):
    """Made by Runtime.deserialize_cuda_engine; keeps the runtime."""

    error_recorder = Setting(None, "told of errors too")

    _context_class = None  # set by context.py

    def __init__(self, runtime, plan):
        self._runtime, self._plan = runtime, plan
        self._generation = 0  # counts refits
        self._load()

    def _load(self):
        self._cores = [opened(profile) for profile in self._plan.profiles]
        first = self._cores[0]
        layouts = self._plan.layouts
        tensors = [_Tensor(p, mode, layouts.get(p.name))
                   for mode, ports in ((TensorIOMode.INPUT, first.inputs()),
                                       (TensorIOMode.OUTPUT, first.outputs())) for p in ports]
        known = self._plan.shape_inputs
        self._shape_tensors = {p.name: ShapeTensor(p, known[p.name], self._plan.profiles)
                               for p in first.inputs() if p.name in known}
        if len(self._shape_tensors) != len(known):
            raise InputError("the plan is damaged: the engine lacks shape inputs")
        tensors = [self._shape_tensors.get(t.name, t) for t in tensors]
        ports = {debug.port for debug in self._plan.debug}
        self._hidden = {t.name: t for t in tensors if t.name in ports}
        self._tensors = {t.name: t for t in tensors if t.name not in ports}
        self._names = list(self._tensors)
        if len(self._hidden) != len(ports):
            raise InputError("the plan is damaged: the engine lacks debug tensors")
        for name, d in (at for a in self._plan.assertions for at in a.symbols.values()):
            known = self._tensors.get(name)
            if known is None or known.mode != TensorIOMode.INPUT or not 0 <= d < len(known.shape):
                raise InputError(f"the plan is damaged: an assertion is about dimension {d} of "
                                 f"'{name}'")
        for core in self._cores[1:]:
            for port in (*core.inputs(), *core.outputs()):
                if port.name not in known:
                    self._widen((self._tensors.get(port.name) or self._hidden[port.name]), port)
        self._device = first.device()

    @staticmethod
    def _widen(tensor, port):
        tensor.shape = tuple(s if s == other else -1
                             for s, other in zip(tensor.shape, tensor.own_shape(port.shape)))

    def _report(self, text, severity=Severity.ERROR):
        self._runtime._logger.log(severity, text)
        if severity <= Severity.ERROR:
            record(text, ErrorCodeTRT.INVALID_ARGUMENT, self, self._runtime)

    def _tensor(self, name):
        found = self._tensors.get(name)
        if found is None:
            self._report(f"the engine has no tensor '{name}': it has {', '.join(self._names)}")
        return found

    # --- tensors

    num_io_tensors = property(lambda self: len(self._names), doc="inputs and outputs")

    def get_tensor_name(self, index):
        """The name of tensor `index`."""
        return self._names[index]

    def __getitem__(self, index):
        return self._names[index]

    def __len__(self):
        return len(self._names)

    def __bool__(self):
        return True

    def get_tensor_mode(self, name):
        """INPUT, OUTPUT, or NONE where there is no such tensor."""
        found = self._tensor(name)
        return TensorIOMode.NONE if found is None else found.mode

    def get_tensor_shape(self, name):
        """Dims; -1 where a size is known at run time."""
        found = self._tensor(name)
        return Dims() if found is None else Dims(found.shape)

    def get_tensor_dtype(self, name):
        """The DataType."""
        found = self._tensor(name)
        return dtypes.DataType.FLOAT if found is None else found.dtype

    def get_tensor_location(self, name):
        """DEVICE: addresses are of the engine's device, which for a CPU engine is the host; of
        shape tensors HOST."""
        return TensorLocation.HOST if name in self._shape_tensors else TensorLocation.DEVICE

    def is_shape_inference_io(self, name):
        """Whether it is an input from whose elements shapes are computed."""
        return name in self._shape_tensors

    def get_tensor_bytes_per_component(self, name, profile_index=0):
        """Bytes of a scalar of a vector; -1 where the format has no vectors."""
        layout = self._layout(name)
        if layout is None or layout.vector == 1:
            return -1
        return int(self.get_tensor_dtype(name).itemsize)

    def _layout(self, name):
        found = self._tensor(name)
        return None if found is None else found.layout

    def get_tensor_components_per_element(self, name, profile_index=0):
        """Scalars of a vector; -1 where the format has no vectors."""
        layout = self._layout(name)
        return -1 if layout is None or layout.vector == 1 else layout.vector

    def get_tensor_format(self, name, profile_index=0):
        """The TensorFormat: where elements lie in the binding's memory."""
        layout = self._layout(name)
        return TensorFormat.LINEAR if layout is None else layout.format

    def get_tensor_format_desc(self, name, profile_index=0):
        """The format in words."""
        return described(self._layout(name), self.get_tensor_dtype(name))

    def get_tensor_vectorized_dim(self, name, profile_index=0):
        """The dimension whose elements a vector holds; -1 where the format has no vectors."""
        layout = self._layout(name)
        return -1 if layout is None else layout.vectorized_dim(len(self._tensors[name].shape))

    def get_aliased_input_tensor(self, name):
        """The input in whose memory an output may lie, which a cache of KVCacheUpdate does when it
        is bound so; None for other outputs."""
        return self._plan.aliases.get(name)

    def is_debug_tensor(self, name):
        """Whether mark_debug named it."""
        return any(debug.name == name and not debug.unfused for debug in self._plan.debug)

    # --- profiles

    num_optimization_profiles = property(lambda self: len(self._cores), doc="how many")

    def get_tensor_profile_shape(self, name, profile_index):
        """[min, opt, max] of an input as Dims; of an output, its shapes where all inputs have
        those: what programs allocate."""
        if self.get_tensor_mode(name) != TensorIOMode.INPUT:
            return self._output_shapes(name, profile_index)
        if name in self._shape_tensors:
            return [self.get_tensor_shape(name)] * 3
        given = self._plan.profiles[profile_index].shapes.get(name)
        if given is None:
            tensor = self._tensors[name]
            given = [tensor.own_shape(shape)
                     for shape in profile_of(self._cores[profile_index], name)]
        return [Dims(shape) for shape in given]

    def _output_shapes(self, name, profile_index):
        own = self.get_tensor_shape(name)
        if all(size >= 0 for size in own):
            return [own] * 3
        context = self.create_execution_context()
        context.set_optimization_profile_async(profile_index, 0)
        inputs = [n for n in self._names if self.get_tensor_mode(n) == TensorIOMode.INPUT]
        shapes = []
        for which in range(3):
            for given in inputs:
                if given in self._shape_tensors:
                    context._set_values(given, self.get_tensor_profile_values(
                        given, profile_index)[which])
                    continue
                three = self.get_tensor_profile_shape(given, profile_index)
                context.set_input_shape(given, three[which])
            shapes.append(Dims(context.get_tensor_shape(name)))
        return shapes

    def get_tensor_profile_values(self, name, profile_index):
        """[min, opt, max] of the elements of an input that is a shape tensor; else []. Either order
        of the arguments."""
        if isinstance(profile_index, str):
            name, profile_index = profile_index, name
        if name not in self._shape_tensors:
            return []
        return [list(values) for values in self._plan.profiles[profile_index].shapes[name]]

    # --- facts

    name = property(lambda self: self._plan.name or self._cores[0].model_name(), doc="its name")
    num_layers = property(lambda self: len(self._cores[0].steps()), doc="steps after fusion")
    has_implicit_batch_dimension = property(lambda self: False, doc="False")
    refittable = property(lambda self: self._plan.recipe is not None,
                          doc="whether a Refitter may change its weights")
    engine_capability = property(lambda self: EngineCapability.STANDARD, doc="STANDARD")
    tactic_sources = property(lambda self: 24, doc="a mask of TacticSource")
    profiling_verbosity = property(lambda self: ProfilingVerbosity.DETAILED, doc="DETAILED: an "
                                   "engine always carries its details")
    hardware_compatibility_level = property(lambda self: HardwareCompatibilityLevel.NONE,
                                            doc="NONE")
    num_aux_streams = property(lambda self: 0, doc="0")

    def get_engine_stat(self, stat):
        """Bytes of weights: all, or those that the plan was built to leave out."""
        recipe = self._plan.recipe
        strippable = weights_of(recipe) if recipe is not None else {}
        sizes = {v["constant"]: dtypes.byte_size(dtypes.shown(v["dtype"]),
                                                 math.prod(v["shape"]))
                 for v in (recipe or {"values": ()})["values"] if v.get("constant") in strippable}
        if EngineStat(stat) == EngineStat.STRIPPED_WEIGHTS_SIZE:
            return sum(sizes.values()) if self._plan.strip else 0
        return self._cores[0].weight_bytes() or sum(sizes.values())

    def get_device_memory_size_for_profile_v2(self, profile_index):
        """Bytes of activations at the profile's largest shapes."""
        return device_memory_size(self._cores[profile_index])

    def get_device_memory_size_for_profile(self, profile_index):
        """The same."""
        deprecated("get_device_memory_size_for_profile is deprecated, use ..._v2")
        return self.get_device_memory_size_for_profile_v2(profile_index)

    device_memory_size_v2 = property(
        lambda self: max(map(self.get_device_memory_size_for_profile_v2, range(len(self._cores)))),
        doc="bytes of activations at the largest shapes of all profiles")

    @property
    def device_memory_size(self):
        """The same."""
        deprecated("device_memory_size is deprecated, use device_memory_size_v2")
        return self.device_memory_size_v2

    # --- weight streaming: none

    streamable_weights_size = property(lambda self: 0, doc="0: weights stay on the device")
    minimum_weight_streaming_budget = property(lambda self: 0, doc="0")
    weight_streaming_scratch_memory_size = property(lambda self: 0, doc="0")
    weight_streaming_budget = Setting(0, "kept: weights stay on the device", int)
    weight_streaming_budget_v2 = Setting(0, "kept: weights stay on the device", int)

    def get_weight_streaming_automatic_budget(self):
        """0: all weights are on the device."""
        return 0

    # --- making

    def serialize(self):
        """The plan as IHostMemory; of an engine that was built stripped without its weights."""
        return self.serialize_with_config(self.create_serialization_config())

    def create_serialization_config(self):
        """An ISerializationConfig: INCLUDE_REFIT, and EXCLUDE_WEIGHTS of an engine that was built
        with STRIP_PLAN."""
        config = ISerializationConfig()
        config.set_flag(SerializationFlag.INCLUDE_REFIT)
        if self._plan.strip:
            config.set_flag(SerializationFlag.EXCLUDE_WEIGHTS)
        return config

    def serialize_with_config(self, config):
        """The plan as the flags say."""
        return IHostMemory(self._plan.to_bytes(
            config.get_flag(SerializationFlag.INCLUDE_REFIT),
            config.get_flag(SerializationFlag.EXCLUDE_WEIGHTS)))

    def create_execution_context(self, strategy=ExecutionContextAllocationStrategy.STATIC,
                                 **named):
        """A context, or None where one cannot be opened."""
        from ..errors import Error
        if self._plan.lacks_weights:
            self._report("create_execution_context: the engine was stripped of its weights: a "
                         "Refitter gives them")
            return None
        if isinstance(named.get("runtime_config", strategy), IRuntimeConfig):
            config = named.get("runtime_config", strategy)
        else:
            config = IRuntimeConfig()
            config.set_execution_context_allocation_strategy(strategy)
        try:
            context = self._context_class(self, config)
            context.error_recorder = self.error_recorder
            return context
        except Error as error:
            self._report(str(error))
            return None

    def create_execution_context_without_device_memory(self):
        """A context that waits for set_device_memory."""
        deprecated("create_execution_context_without_device_memory is deprecated")
        return self.create_execution_context(ExecutionContextAllocationStrategy.USER_MANAGED)

    def create_runtime_config(self):
        """An IRuntimeConfig."""
        return IRuntimeConfig()

    def create_engine_inspector(self):
        """An EngineInspector."""
        return EngineInspector(self)
