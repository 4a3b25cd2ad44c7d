# SPDX-License-Identifier: Apache-2.0
"""The plugin registry and the interfaces of plugins. Plugins of TensorRT are not run: the registry
answers, layers of plugins are refused at build with what to do instead."""
import numpy as np

from .dims import Dims
from .enums import PluginCreatorVersion, PluginFieldType
from .interface import IVersionedInterface
from .support import CUSTOM_OPERATORS, Setting, refused

_FIELD_TYPES = {
    PluginFieldType.FLOAT16: np.float16, PluginFieldType.FLOAT32: np.float32,
    PluginFieldType.FLOAT64: np.float64, PluginFieldType.INT8: np.int8,
    PluginFieldType.INT16: np.int16, PluginFieldType.INT32: np.int32,
    PluginFieldType.INT64: np.int64, PluginFieldType.CHAR: np.int8,
    PluginFieldType.UNKNOWN: np.int8,
}


class PluginField:
    """A named parameter of a plugin."""

    def __init__(self, name="", data=None, type=PluginFieldType.UNKNOWN):
        self.name, self.type = name, type
        self._data = None if data is None else data
        self.size = 0 if data is None else np.asarray(
            memoryview(data) if isinstance(data, (bytes, bytearray)) else data).size

    @property
    def data(self):
        """The elements as an array."""
        if self._data is None:
            return np.empty(0, np.int8)
        if isinstance(self._data, (bytes, bytearray, str)):
            raw = self._data.encode() if isinstance(self._data, str) else bytes(self._data)
            return np.frombuffer(raw, _FIELD_TYPES.get(self.type, np.int8))
        return np.asarray(self._data).reshape(-1)

    @data.setter
    def data(self, data):
        self._data = data


class PluginFieldCollection(list):
    """Parameters of a plugin; made of any iterable."""


PluginFieldCollection_ = PluginFieldCollection


class PluginTensorDesc:
    """Dims, type, format and scale of a plugin's operand."""

    def __init__(self):
        self.dims, self.type, self.format, self.scale = Dims(), None, None, 1.0


class DynamicPluginTensorDesc:
    """A description with the smallest, best and largest dims."""

    def __init__(self):
        self.desc, self.min, self.opt, self.max = PluginTensorDesc(), Dims(), Dims(), Dims()


class IDimensionExpr:
    """A size as an expression."""

    def __init__(self, value=None):
        self._value = value

    def is_constant(self):
        """Whether it is a number."""
        return self._value is not None

    def get_constant_value(self):
        """The number."""
        return self._value

    def is_size_tensor(self):
        """False."""
        return False


class DimsExprs(list):
    """A shape of expressions: of a list, or of a length."""

    def __init__(self, dims=()):
        super().__init__([IDimensionExpr()] * dims if isinstance(dims, int) else dims)


class IExprBuilder:
    """Makes expressions of sizes."""

    def __init__(self):
        pass

    def constant(self, value):
        """A number."""
        return IDimensionExpr(int(value))

    @refused(CUSTOM_OPERATORS)
    def operation(self, op, first, second):
        """Refused."""

    @refused(CUSTOM_OPERATORS)
    def declare_size_tensor(self, output_index, opt, upper):
        """Refused."""


class IPluginV2:
    """A plugin of the second interface."""

    tensorrt_version = property(lambda self: 101600)

    def __init__(self):
        self.num_outputs, self.plugin_type = 1, ""
        self.plugin_version, self.plugin_namespace = "1", ""


class IPluginV2Ext(IPluginV2):
    """With types of results."""


class IPluginV2DynamicExt(IPluginV2):
    """With dynamic shapes."""

    FORMAT_COMBINATION_LIMIT = 100


def _documented(*names):
    """Methods that a program's plugin overrides."""
    def make(name):
        def method(self, *args, **named):
            raise NotImplementedError(f"a plugin defines {name}")
        method.__name__, method.__doc__ = name, "Defined by the program."
        return method
    return {name: make(name) for name in names}


for _name, _method in _documented(
        "clone", "configure_plugin", "enqueue", "get_output_datatype", "get_output_dimensions",
        "serialize", "supports_format_combination", "initialize", "terminate", "destroy",
        "get_serialization_size", "get_workspace_size", "get_output_data_type").items():
    setattr(IPluginV2DynamicExt, _name, _method)


class IPluginCapability(IVersionedInterface):
    """A part of a plugin."""


class IPluginV3(IVersionedInterface):
    """A plugin of the third interface."""

    def __init__(self, other=None):
        pass


class IPluginV3OneCore(IPluginCapability):
    """Name, version, namespace."""

    def __init__(self, other=None):
        pass


class IPluginV3OneBuild(IPluginCapability):
    """What building asks."""

    DEFAULT_FORMAT_COMBINATION_LIMIT = 100

    def __init__(self, other=None):
        pass


class IPluginV3OneBuildV2(IPluginV3OneBuild):
    """With results in the memory of operands."""


class IPluginV3OneRuntime(IPluginCapability):
    """What running asks."""

    def __init__(self, other=None):
        pass


for _owner, _names in (
        (IPluginV3, ("get_capability_interface", "clone", "destroy")),
        (IPluginV3OneBuild, ("get_output_data_types", "get_output_shapes", "get_workspace_size",
                             "configure_plugin", "supports_format_combination",
                             "get_valid_tactics")),
        (IPluginV3OneBuildV2, ("get_aliased_input",)),
        (IPluginV3OneRuntime, ("on_shape_change", "set_tactic", "get_fields_to_serialize",
                               "enqueue", "attach_to_context"))):
    for _name, _method in _documented(*_names).items():
        setattr(_owner, _name, _method)


class IPluginV3QuickCore(IPluginCapability):
    """Of tensorrt.plugin's decorators."""


class IPluginV3QuickBuild(IPluginCapability):
    """Of tensorrt.plugin's decorators."""


class IPluginV3QuickAOTBuild(IPluginV3QuickBuild):
    """Of tensorrt.plugin's decorators."""


class IPluginV3QuickRuntime(IPluginCapability):
    """Of tensorrt.plugin's decorators."""


class IPluginResourceContext:
    """What a plugin may ask of a context."""

    error_recorder = property(lambda self: None)
    gpu_allocator = property(lambda self: None)


class IPluginResource(IVersionedInterface):
    """What plugins share."""

    def __init__(self):
        pass

    def release(self):
        """Lets go."""

    def clone(self):
        """A copy."""
        return self


class IPluginCreatorInterface(IVersionedInterface):
    """Makes plugins."""


class IPluginCreator(IPluginCreatorInterface):
    """Makes plugins of the second interface."""

    tensorrt_version = PluginCreatorVersion.V1_PYTHON

    def __init__(self):
        self.name, self.plugin_version, self.plugin_namespace = "", "1", ""
        self.field_names = PluginFieldCollection()

    def create_plugin(self, name, field_collection):
        """A plugin of its parameters."""
        raise NotImplementedError("an IPluginCreator defines create_plugin")

    def deserialize_plugin(self, name, serialized_plugin):
        """A plugin of its bytes."""
        raise NotImplementedError("an IPluginCreator defines deserialize_plugin")


class IPluginCreatorV3One(IPluginCreatorInterface):
    """Makes plugins of the third interface."""

    def __init__(self):
        self.name, self.plugin_version, self.plugin_namespace = "", "1", ""
        self.field_names = PluginFieldCollection()

    def create_plugin(self, name, field_collection, phase):
        """A plugin of its parameters."""
        raise NotImplementedError("an IPluginCreatorV3One defines create_plugin")


class IPluginCreatorV3Quick(IPluginCreatorInterface):
    """Of tensorrt.plugin's decorators."""


class NamedPlugin(IPluginV2):
    """A plugin of TensorRT's own library by its name and parameters: a layer of it is refused at
    build, unless Lathe has the operator."""

    def __init__(self, kind, version, outputs, fields):
        super().__init__()
        self.plugin_type, self.plugin_version, self.num_outputs = kind, version, outputs
        self.fields = {field.name: field.data for field in fields or ()}


class _NamedCreator(IPluginCreator):
    def __init__(self, name, version, outputs, fields):
        super().__init__()
        self.name, self.plugin_version, self._outputs = name, version, outputs
        self.field_names = PluginFieldCollection(PluginField(field) for field in fields.split())
        self.plugin_namespace = ""

    def create_plugin(self, name, field_collection, phase=None):
        return NamedPlugin(self.name, self.plugin_version, self._outputs, field_collection)


_KNOWN = (
    ("EfficientNMS_TRT", "1", 4, "score_threshold iou_threshold max_output_boxes background_class "
     "score_activation class_agnostic box_coding"),
    ("EfficientNMS_ONNX_TRT", "1", 1, "score_threshold iou_threshold max_output_boxes_per_class "
     "center_point_box"),
    ("BatchedNMSDynamic_TRT", "1", 4, "shareLocation backgroundLabelId numClasses topK keepTopK "
     "scoreThreshold iouThreshold isNormalized clipBoxes scoreBits caffeSemantics"),
    ("InstanceNormalization_TRT", "1", 1, "epsilon scales bias relu alpha"),
    ("ROIAlign_TRT", "1", 1, "coordinate_transformation_mode mode output_height output_width "
     "sampling_ratio spatial_scale"),
    ("DisentangledAttention_TRT", "1", 1, "span factor"),
)


class IPluginRegistry:
    """The creators that are known, by name, version and namespace."""

    error_recorder = Setting(None, "told of errors")
    parent_search_enabled = Setting(True, "kept", bool)

    def __init__(self):
        self._creators = [_NamedCreator(*facts) for facts in _KNOWN]
        self._resources = {}

    plugin_creator_list = property(lambda self: list(self._creators), doc="all creators")
    all_creators = property(lambda self: list(self._creators), doc="all creators")
    all_creators_recursive = property(lambda self: list(self._creators), doc="all creators")

    def register_creator(self, creator, plugin_namespace=""):
        """Whether it is new; its layers are refused at build."""
        if any(self._key(c) == self._key(creator) for c in self._creators):
            return False
        self._creators.append(creator)
        return True

    def deregister_creator(self, creator):
        """Whether it was there."""
        found = creator in self._creators
        if found:
            self._creators.remove(creator)
        return found

    @staticmethod
    def _key(creator):
        return creator.name, str(creator.plugin_version), getattr(creator, "plugin_namespace", "")

    def get_plugin_creator(self, type, version, plugin_namespace=""):
        """The creator of that name, or None."""
        return next((c for c in self._creators
                     if (c.name, str(c.plugin_version)) == (type, str(version))), None)

    def get_creator(self, type, version, plugin_namespace=""):
        """The same."""
        return self.get_plugin_creator(type, version, plugin_namespace)

    @refused(CUSTOM_OPERATORS)
    def load_library(self, plugin_path):
        """Refused: libraries of plugins hold code of TensorRT's ABI."""

    def deregister_library(self, handle):
        """Nothing: none is loaded."""

    def acquire_plugin_resource(self, key, resource):
        """What is shared under a key: `resource` the first time."""
        return self._resources.setdefault(key, resource.clone())

    def release_plugin_resource(self, key):
        """Lets go of it."""
        return 0 if self._resources.pop(key, None) is not None else -1


class KernelLaunchParams:
    """Grid, block and shared memory of a kernel."""

    def __init__(self):
        self.grid_x = self.grid_y = self.grid_z = 1
        self.block_x = self.block_y = self.block_z = 1
        self.shared_mem = 0


class ISymExpr:
    """Of tensorrt.plugin's decorators."""


class ISymExprs(list):
    """Of tensorrt.plugin's decorators."""


_REGISTRY = IPluginRegistry()


def get_plugin_registry():
    """The registry; there is one."""
    return _REGISTRY


def get_builder_plugin_registry(capability=None):
    """The registry."""
    return _REGISTRY


def init_libnvinfer_plugins(logger, namespace):
    """True: the registry answers for the plugins that programs ask for."""
    return True


# Plugins that a program defines are refused where they are used.
for _owner in (IPluginV2, IPluginCapability, IPluginV3, IPluginCreatorInterface, IExprBuilder,
               DimsExprs, KernelLaunchParams, PluginTensorDesc, DynamicPluginTensorDesc):
    _owner.lathe_refused = CUSTOM_OPERATORS
