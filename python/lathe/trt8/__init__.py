# SPDX-License-Identifier: Apache-2.0
"""lathe.trt with the names that TensorRT 8.x had and 10.x dropped: max_workspace_size,
build_engine, num_bindings, get_binding_*, execute_async_v2, engine[...] and others. lathe.trt stays as
it is: the classes here are its own with these names added.
"""
import sys as _sys

from .. import trt as _trt
from ..trt import *  # noqa: F401,F403
from ..trt import _package_name, legacy  # noqa: F401
from ..trt.builder import Builder as _Builder
from ..trt.runtime import Runtime as _Runtime


class IBuilderConfig(legacy.LegacyConfig, _trt.IBuilderConfig):
    """IBuilderConfig with the names of 8.x."""


class IConvolutionLayer(legacy.LegacyFilter, _trt.IConvolutionLayer):
    """IConvolutionLayer with the names of 8.x."""


class IDeconvolutionLayer(legacy.LegacyFilter, _trt.IDeconvolutionLayer):
    """IDeconvolutionLayer with the names of 8.x."""


class IPoolingLayer(legacy.LegacyPooling, _trt.IPoolingLayer):
    """IPoolingLayer with the names of 8.x."""


class IPaddingLayer(legacy.LegacyPadding, _trt.IPaddingLayer):
    """IPaddingLayer with the names of 8.x."""


class IShapeLayer(legacy.LegacyShape, _trt.IShapeLayer):
    """IShapeLayer with the types of 8.x."""


class IResizeLayer(legacy.LegacyResize, _trt.IResizeLayer):
    """IResizeLayer with the names of 8.x."""


class INetworkDefinition(legacy.LegacyNetwork, _trt.INetworkDefinition):
    """INetworkDefinition with the names of 8.x."""

    _views = {kind: globals()[kind.__name__] for kind in (
        _trt.IConvolutionLayer, _trt.IDeconvolutionLayer, _trt.IPoolingLayer,
        _trt.IPaddingLayer, _trt.IShapeLayer, _trt.IResizeLayer)}


class IExecutionContext(legacy.LegacyContext, _trt.IExecutionContext):
    """IExecutionContext with the names of 8.x."""


class ICudaEngine(legacy.LegacyEngine, _trt.ICudaEngine):
    """ICudaEngine with the names of 8.x."""

    _context_class = IExecutionContext


class OnnxParser(legacy.LegacyParser, _trt.OnnxParser):
    """OnnxParser with the types of 8.x."""


class Refitter(legacy.LegacyRefitter, _trt.Refitter):
    """Refitter with the names of 8.x."""


class Runtime(_Runtime):
    """Runtime of 8.x engines."""

    _engine_class = ICudaEngine


class Builder(legacy.LegacyBuilder, _Builder):
    """Builder with the names of 8.x."""

    _network_class, _config_class, _runtime_class = INetworkDefinition, IBuilderConfig, Runtime


legacy.add_module_names(globals())
tensorrt = _sys.modules[__name__]
