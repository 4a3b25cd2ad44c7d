# SPDX-License-Identifier: Apache-2.0
"""The names, signatures and behaviour of TensorRT 10's Python API over Lathe.

    import lathe.trt as trt                              # instead of: import tensorrt as trt
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file("model.onnx"): ...     # parser.get_error(i)
    plan = builder.build_serialized_network(network, builder.create_builder_config())
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    context = engine.create_execution_context()

Engines are built for the environment's LATHE_DEVICE ("cpu", "cuda:1"), else for a GPU that works,
else for the CPU, where addresses are those of the host. What has no meaning in Lathe is accepted
with a LatheWarning; what is not supported is refused and says what to use instead:
docs/trt-api.md lists every name. Names of 8.x are in lathe.trt8, or here after enable_legacy() or
with LATHE_TRT_API=8 in the environment.
"""
import os as _os
import sys as _sys
from typing import TYPE_CHECKING as _TYPE_CHECKING

from . import deprecations as _deprecations
from . import plugin
from .algorithms import (IAlgorithm, IAlgorithmContext, IAlgorithmIOInfo, IAlgorithmSelector,
                         IAlgorithmVariant)
from .builder import Builder
from .calibrators import (IInt8Calibrator, IInt8EntropyCalibrator, IInt8EntropyCalibrator2,
                          IInt8LegacyCalibrator, IInt8MinMaxCalibrator)
from .config import IBuilderConfig
from .context import IExecutionContext
from .dims import Dims, Dims2, Dims3, Dims4, DimsHW, Permutation, volume
from .dtypes import nptype
from .engine import ICudaEngine, IRuntimeConfig, ISerializationConfig
from .enums import ENUMS, SHORT_TYPES
from .inspector import EngineInspector
from .interface import InterfaceInfo, IVersionedInterface
from .layers import LAYERS
from .layers.conditional import IIfConditional
from .layers.linear import IAttention
from .layers.loops import ILoop
from .logger import ILogger, Logger
from .memory import (IGpuAllocator, IGpuAsyncAllocator, IHostMemory, IStreamReader,
                     IStreamReaderV2, IStreamWriter)
from .network import INetworkDefinition
from .observers import (IDebugListener, IErrorRecorder, IOutputAllocator, IProfiler,
                        IProgressMonitor, Profiler)
from .parser import OnnxParser, OnnxParserRefitter, ParserError, get_nv_onnx_parser_version
from .plugins import (DimsExprs, DynamicPluginTensorDesc, IDimensionExpr, IExprBuilder,
                      IPluginCapability, IPluginCreator, IPluginCreatorInterface,
                      IPluginCreatorV3One, IPluginCreatorV3Quick, IPluginRegistry, IPluginResource,
                      IPluginResourceContext, IPluginV2, IPluginV2DynamicExt, IPluginV2Ext,
                      IPluginV3, IPluginV3OneBuild, IPluginV3OneBuildV2, IPluginV3OneCore,
                      IPluginV3OneRuntime, IPluginV3QuickAOTBuild, IPluginV3QuickBuild,
                      IPluginV3QuickCore, IPluginV3QuickRuntime, ISymExpr, ISymExprs,
                      KernelLaunchParams, PluginField, PluginFieldCollection,
                      PluginFieldCollection_, PluginTensorDesc, get_builder_plugin_registry,
                      get_plugin_registry, init_libnvinfer_plugins)
from .profile import IOptimizationProfile
from .refitter import Refitter
from .runtime import Runtime
from .support import LatheWarning
from .tensor import ITensor
from .timing_cache import ITimingCache, TimingCacheKey, TimingCacheValue
from .weights import Weights

if _TYPE_CHECKING:  # what is added to the module's names below
    from .enums import *
    from .layers.base import ILayer
    from .layers.conditional import *
    from .layers.data_sizes import *
    from .layers.generators import *
    from .layers.indexing import *
    from .layers.linear import *
    from .layers.loops import *
    from .layers.movement import *
    from .layers.pointwise import *
    from .layers.reduction import *
    from .layers.windows import *

# The version of the API; four numbers, as programs split it.
__version__ = "10.16.1.11"
_package_name = "tensorrt"


def _itemsize(trt_type):
    """Bytes of an element, as programs ask that found this function."""
    return trt_type.itemsize


globals().update(ENUMS)
globals().update(LAYERS)
_deprecations.install(globals())
globals().update(SHORT_TYPES)
tensorrt = _sys.modules[__name__]  # programs also write trt.tensorrt.ICudaEngine

_HIDDEN = {"ENUMS", "LAYERS", "SHORT_TYPES", "adders", "algorithms", "assertions", "builder",
           "calibrators", "config", "context", "debug", "deprecations", "dims", "dtypes", "engine",
           "enum_base", "enums", "enums_build", "enums_network", "enums_runtime", "events",
           "formats", "inspector", "interface", "layers", "legacy", "logger", "lowering", "memory",
           "network", "observers", "parsed", "parser", "plan", "plugins", "profile", "progress",
           "recipe", "refitter", "runtime", "sizes", "stripped", "support", "tensor",
           "timing_cache", "unroll", "weights"}
__all__ = [name for name in globals() if not name.startswith("_") and name not in _HIDDEN]


def enable_legacy():
    """Adds the names of 8.x (num_bindings, max_workspace_size, execute_async_v2 ...) to this
    module's classes, for the whole process."""
    from . import legacy
    legacy.install(globals())


if _os.environ.get("LATHE_TRT_API") == "8":
    enable_legacy()
