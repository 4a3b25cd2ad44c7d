# SPDX-License-Identifier: Apache-2.0
"""What the 8.x API had and 10.x dropped, as classes that `lathe.trt8` mixes into its own and that
`lathe.trt.enable_legacy()` copies onto lathe.trt's. Programs tell the APIs apart by these names."""
from . import enums as e
from .dims import Dims
from .enums_build import BuilderFlag
from .interface import Managed
from .legacy_layers import IFullyConnectedLayer, LegacyResize, LegacyShape
from .support import refused
from .weights import as_weights

VERSION = "8.6.1.6"  # the last 8.x; programs compare its first number
BATCH_ONE = 1


class LegacyBuilder:
    """Builder's names of 8.x and before."""

    def _legacy(name, default):  # noqa: N805
        slot = f"_legacy_{name}"
        return property(lambda self: getattr(self, slot, default),
                        lambda self, value: object.__setattr__(self, slot, value),
                        doc="of build_cuda_engine")

    max_batch_size = _legacy("max_batch_size", BATCH_ONE)
    max_workspace_size = _legacy("max_workspace_size", 0)
    fp16_mode = _legacy("fp16_mode", False)
    int8_mode = _legacy("int8_mode", False)
    strict_type_constraints = _legacy("strict_type_constraints", False)
    int8_calibrator = _legacy("int8_calibrator", None)
    del _legacy

    def _max_batch(self, network):
        explicit = network._flags >> int(e.NetworkDefinitionCreationFlag.EXPLICIT_BATCH) & 1
        return 1 if explicit or network._source is not None else max(int(self.max_batch_size), 1)

    def build_engine(self, network, config):
        """The engine, or None."""
        return self.build_engine_with_config(network, config)

    def build_cuda_engine(self, network):
        """The engine by the builder's own settings, or None."""
        config = self.create_builder_config()
        if self.max_workspace_size:
            config.set_memory_pool_limit(e.MemoryPoolType.WORKSPACE, self.max_workspace_size)
        for wanted, flag in ((self.fp16_mode, BuilderFlag.FP16),
                             (self.int8_mode, BuilderFlag.INT8)):
            if wanted:
                config.set_flag(flag)
        if self.int8_calibrator is not None:
            config.int8_calibrator = self.int8_calibrator
        return self.build_engine(network, config)


class LegacyConfig:
    """IBuilderConfig's names of 8.x."""

    @property
    def max_workspace_size(self):
        """The limit of MemoryPoolType.WORKSPACE."""
        return self.get_memory_pool_limit(e.MemoryPoolType.WORKSPACE)

    @max_workspace_size.setter
    def max_workspace_size(self, size):
        self.set_memory_pool_limit(e.MemoryPoolType.WORKSPACE, size)

    min_timing_iterations = property(lambda self: self.avg_timing_iterations,
                                     lambda self, n: setattr(self, "avg_timing_iterations", n),
                                     doc="as avg_timing_iterations")


def _two(value):
    return Dims(value if len(tuple(value)) else (0, 0))


def _renamed(name):
    """A property of 8.x that the class has under another name."""
    return property(lambda self: getattr(self, name),
                    lambda self, value: setattr(self, name, value), doc=f"as {name}")


class LegacyWindow:
    """Names of two-dimensional windows."""

    stride = _renamed("stride_nd")
    padding = _renamed("padding_nd")


class LegacyFilter(LegacyWindow):
    """Names of two-dimensional filters."""

    dilation = _renamed("dilation_nd")
    kernel_size = _renamed("kernel_size_nd")


class LegacyPooling(LegacyWindow):
    """Names of two-dimensional pooling."""

    window_size = _renamed("window_size_nd")


class LegacyPadding:
    """Names of two-dimensional padding."""

    pre_padding = _renamed("pre_padding_nd")
    post_padding = _renamed("post_padding_nd")


class LegacyNetwork:
    """INetworkDefinition's names of 8.x."""

    has_explicit_precision = property(lambda self: False, doc="False")

    def _output_suffix(self, index, count):
        return "_output" if count == 1 else f"_output_{index + 1}"

    def add_convolution(self, input, num_output_maps, kernel_shape, kernel=None, bias=None):
        """add_convolution_nd."""
        return self.add_convolution_nd(input, num_output_maps, kernel_shape, kernel, bias)

    def add_deconvolution(self, input, num_output_maps, kernel_shape, kernel=None, bias=None):
        """add_deconvolution_nd."""
        return self.add_deconvolution_nd(input, num_output_maps, kernel_shape, kernel, bias)

    def add_pooling(self, input, type, window_size):
        """add_pooling_nd."""
        return self.add_pooling_nd(input, type, window_size)

    def add_padding(self, input, pre_padding, post_padding):
        """add_padding_nd."""
        return self.add_padding_nd(input, _two(pre_padding), _two(post_padding))

    def add_fully_connected(self, input, num_outputs, kernel, bias=None):
        """The last three dimensions, flattened, times kernel^T, plus bias: [..., outputs, 1, 1]."""
        return self._add(IFullyConnectedLayer, [input], num_output_channels=int(num_outputs),
                         kernel=as_weights(kernel), bias=as_weights(bias))


class LegacyParser:
    """OnnxParser of 8.x, which has no INT64: programs give and take INT32."""

    _narrows_int64 = True


class _ByName:
    """engine[...]: of a name its index, of an index its name."""

    def __getitem__(self, key):
        return self.get_binding_index(key) if isinstance(key, str) else self._name_at(key)


class LegacyEngine(_ByName):
    """ICudaEngine's bindings: the tensors of every profile, one profile after another."""

    max_batch_size = property(lambda self: self._plan.max_batch,
                              doc="samples a run may have where the batch is implicit, else 1")
    has_implicit_batch_dimension = property(lambda self: self._plan.max_batch > 1,
                                            doc="whether shapes are those of one sample")
    max_workspace_size = property(lambda self: 0, doc="0")

    @property
    def num_bindings(self):
        """Tensors times profiles."""
        return self.num_io_tensors * self.num_optimization_profiles

    def _name_at(self, index):
        count = self.num_bindings
        if not -count <= index < count:
            raise IndexError(f"binding {index}: the engine has {count}")
        return self._names[index % count % self.num_io_tensors]

    def _binding(self, binding, named):
        """The name behind a binding: what 8.x calls `index`, or `name`."""
        binding = named.get("index", named.get("name", binding))
        return binding if isinstance(binding, str) else self._name_at(binding)

    def get_binding_name(self, index):
        """The name of a binding."""
        name = self._name_at(index)
        profile = index // self.num_io_tensors
        return name if profile == 0 else f"{name} [profile {profile}]"

    def get_binding_index(self, name):
        """The index of a name, -1 where there is none."""
        plain, _, profile = name.partition(" [profile ")
        if plain not in self._names:
            return -1
        offset = int(profile.rstrip("]")) * self.num_io_tensors if profile else 0
        return self._names.index(plain) + offset

    def get_binding_shape(self, binding=None, **named):
        """Sizes, -1 where they are not known."""
        return self.get_tensor_shape(self._binding(binding, named))

    def get_binding_dtype(self, binding=None, **named):
        """The element type."""
        return self.get_tensor_dtype(self._binding(binding, named))

    def get_binding_format(self, index):
        """The TensorFormat."""
        return self.get_tensor_format(self._name_at(index))

    def get_binding_format_desc(self, index):
        """The format in words."""
        return self.get_tensor_format_desc(self._name_at(index))

    def get_binding_bytes_per_component(self, index):
        """Bytes of an element."""
        return int(self.get_tensor_dtype(self._name_at(index)).itemsize)

    def get_binding_components_per_element(self, index):
        """Scalars of a vector; -1 where the format has no vectors."""
        return self.get_tensor_components_per_element(self._name_at(index))

    def get_binding_vectorized_dim(self, index):
        """The dimension that vectors run along; -1 where the format has no vectors."""
        return self.get_tensor_vectorized_dim(self._name_at(index))

    def binding_is_input(self, binding=None, **named):
        """Whether it is an input."""
        return self.get_tensor_mode(self._binding(binding, named)) == e.TensorIOMode.INPUT

    def is_execution_binding(self, binding=None, **named):
        """Whether its elements are computed with: not those of shape tensors."""
        return not self.is_shape_binding(binding, **named)

    def is_shape_binding(self, binding=None, **named):
        """Whether it is an input from whose elements shapes are computed."""
        return self.is_shape_inference_io(self._binding(binding, named))

    def get_location(self, binding=None, **named):
        """DEVICE."""
        return self.get_tensor_location(self._binding(binding, named))

    def get_profile_shape(self, profile_index, binding):
        """[min, opt, max] of an input."""
        return self.get_tensor_profile_shape(self._binding(binding, {}), profile_index)

    def get_profile_shape_input(self, profile_index, binding):
        """[min, opt, max] of a shape tensor's elements; [] of another input."""
        return self.get_tensor_profile_values(self._binding(binding, {}), profile_index)


class LegacyContext:
    """IExecutionContext's names of 8.x."""

    def _bind_all(self, bindings):
        count = len(self.engine._names)
        offset = self.active_optimization_profile * count
        given = bindings[offset:offset + count] if len(bindings) > offset else bindings
        for name, address in zip(self.engine._names, given):
            self.set_tensor_address(name, address)

    def _each_sample(self, batch_size, bindings, run):
        """Whether `run(addresses)` went well for every sample, which lie one behind another. Where
        the batch is explicit it is run once, whatever batch_size says."""
        most = self.engine.max_batch_size
        if most == 1 and batch_size != 1:
            self._engine._report(f"execute: batch_size {batch_size} has no effect: the batch is "
                                 "the first dimension (EXPLICIT_BATCH)", e.Severity.WARNING)
        if most > 1 and not 1 <= batch_size <= most:
            self._report(f"execute: batch_size {batch_size}, expected 1 to {most} "
                         "(Builder.max_batch_size)")
            return False
        bindings = [int(address) for address in bindings]
        steps = [self._bytes(name) for name in self.engine._names]
        return all(run([address + k * step for address, step in zip(bindings, steps)])
                   for k in range(batch_size if most > 1 else 1))

    def execute(self, batch_size=BATCH_ONE, bindings=()):
        """execute_v2 for each sample."""
        return self._each_sample(batch_size, bindings, self.execute_v2)

    def execute_async(self, batch_size=BATCH_ONE, bindings=(), stream_handle=0,
                      input_consumed=None):
        """execute_async_v2 for each sample."""
        return self._each_sample(batch_size, bindings, lambda part: self.execute_async_v2(
            part, stream_handle, input_consumed))

    def execute_async_v2(self, bindings, stream_handle, input_consumed=None):
        """execute_async_v3 with the addresses of all bindings; input_consumed: an event."""
        self._bind_all(list(bindings))
        if input_consumed is not None:
            self.set_input_consumed_event(input_consumed)
        return self.execute_async_v3(stream_handle)

    def _input_name(self, binding):
        return self.engine._names[binding % len(self.engine._names)]

    def set_binding_shape(self, binding, shape):
        """set_input_shape by the binding's index."""
        return self.set_input_shape(self._input_name(binding), shape)

    def get_binding_shape(self, binding):
        """get_tensor_shape by the binding's index."""
        return self.get_tensor_shape(self._input_name(binding))

    def get_strides(self, binding):
        """get_tensor_strides by the binding's index."""
        return self.get_tensor_strides(self._input_name(binding))

    def set_shape_input(self, binding, shape):
        """Whether the binding is a shape tensor, and its elements are within the profile."""
        return self._set_values(self._input_name(binding), [int(size) for size in shape])

    def get_shape(self, binding):
        """A shape tensor's elements, [] where they are not set."""
        name = self._input_name(binding)
        self.infer_shapes()
        return list(self._current().shapes[name] or ()) if name in self._engine._shape_tensors \
            else []

    @property
    def active_optimization_profile(self):
        """Its index; assigning another makes that active. RuntimeError where there is none."""
        return self._profile

    @active_optimization_profile.setter
    def active_optimization_profile(self, profile_index):
        if not self.set_optimization_profile_async(profile_index, 0):
            raise RuntimeError("Error in set optimization profile.")

    def set_optimization_profile(self, profile_index):
        """set_optimization_profile_async on the default stream."""
        return self.set_optimization_profile_async(profile_index, 0)


class LegacyRefitter:
    """Refitter, which was a context manager."""

    __enter__, __exit__ = Managed.__enter__, Managed.__exit__


# The 10.x class that each goes onto.
MIXINS = {
    "Builder": LegacyBuilder,
    "IBuilderConfig": LegacyConfig,
    "INetworkDefinition": LegacyNetwork,
    "ICudaEngine": LegacyEngine,
    "IExecutionContext": LegacyContext,
    "IConvolutionLayer": LegacyFilter,
    "IDeconvolutionLayer": LegacyFilter,
    "IPoolingLayer": LegacyPooling,
    "IPaddingLayer": LegacyPadding,
    "IShapeLayer": LegacyShape,
    "IResizeLayer": LegacyResize,
    "OnnxParser": LegacyParser,
    "Refitter": LegacyRefitter,
}


class WithLegacyMembers:
    """An enumeration that also answers to names of 8.x, each with the member that means it now."""

    def __init__(self, kind, **members):
        self._kind, self._extra = kind, members

    def __getattr__(self, name):
        return self._extra[name] if name in self._extra else getattr(self._kind, name)

    def __call__(self, value):
        return self._kind(value)

    def __instancecheck__(self, value):
        return isinstance(value, self._kind)

    @property
    def __members__(self):
        return dict(self._kind.__members__) | self._extra


def _names(mixin):
    """Everything that a mixin adds, from its bases too."""
    found = {}
    for base in reversed(mixin.__mro__[:-1]):
        found.update({k: v for k, v in vars(base).items()
                      if k not in ("__dict__", "__weakref__", "__doc__", "__module__",
                                   "__qualname__")})
    return found


def install(namespace):
    """Copies every mixin onto the class of `namespace` that it is for, for good; twice is once."""
    for name, mixin in MIXINS.items():
        target = namespace[name]
        for attribute, value in _names(mixin).items():
            setattr(target, attribute, value)
    add_module_names(namespace)


_NO_PARSER = "8.x read Caffe and UFF itself; convert the model to ONNX and use OnnxParser"


class CaffeParser:
    """Refused."""

    @refused(_NO_PARSER)
    def __init__(self, *args):
        pass


class UffParser:
    """Refused."""

    @refused(_NO_PARSER)
    def __init__(self, *args):
        pass


# Members of 8.x's enumerations, each beside the one that means it now.
_MEMBERS = {
    "BuilderFlag": {"STRICT_TYPES": "OBEY_PRECISION_CONSTRAINTS",
                    "ENABLE_TACTIC_HEURISTIC": "STRICT_NANS"},
    "EngineCapability": {"DEFAULT": "STANDARD", "SAFE_GPU": "SAFETY",
                         "SAFE_DLA": "DLA_STANDALONE"},
    "LayerType": {"FULLY_CONNECTED": "MATRIX_MULTIPLY"},
    "NetworkDefinitionCreationFlag": {"EXPLICIT_PRECISION": "EXPLICIT_BATCH"},
    "PaddingMode": {"CAFFE_ROUND_DOWN": "EXPLICIT_ROUND_DOWN",
                    "CAFFE_ROUND_UP": "EXPLICIT_ROUND_UP"},
    "PreviewFeature": {"FASTER_DYNAMIC_SHAPES_0805": "PROFILE_SHARING_0806",
                       "DISABLE_EXTERNAL_TACTIC_SOURCES_FOR_CORE_0805": "PROFILE_SHARING_0806"},
    "ProfilingVerbosity": {"DEFAULT": "LAYER_NAMES_ONLY", "VERBOSE": "DETAILED"},
    "SampleMode": {"DEFAULT": "STRICT_BOUNDS"},
}


def add_module_names(namespace):
    """Names of the 8.x module that are not of a class."""
    namespace.update(__version__=VERSION, ResizeMode=e.InterpolationMode, CaffeParser=CaffeParser,
                     UffParser=UffParser, IFullyConnectedLayer=IFullyConnectedLayer)
    for name, members in _MEMBERS.items():
        kind = getattr(e, name)
        namespace[name] = WithLegacyMembers(
            kind, **{old: getattr(kind, new) for old, new in members.items()})
    namespace["SliceMode"] = namespace["SampleMode"]
