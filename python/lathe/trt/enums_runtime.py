# SPDX-License-Identifier: Apache-2.0
"""Tensors, errors, engines at run time, plugins. Names and values are API."""
from .enum_base import ApiEnum


class Severity(ApiEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class ErrorCodeTRT(ApiEnum):
    SUCCESS = 0
    UNSPECIFIED_ERROR = 1
    INTERNAL_ERROR = 2
    INVALID_ARGUMENT = 3
    INVALID_CONFIG = 4
    FAILED_ALLOCATION = 5
    FAILED_INITIALIZATION = 6
    FAILED_EXECUTION = 7
    FAILED_COMPUTATION = 8
    INVALID_STATE = 9
    UNSUPPORTED_STATE = 10


class ErrorCode(ApiEnum):
    SUCCESS = 0
    INTERNAL_ERROR = 1
    MEM_ALLOC_FAILED = 2
    MODEL_DESERIALIZE_FAILED = 3
    INVALID_VALUE = 4
    INVALID_GRAPH = 5
    INVALID_NODE = 6
    UNSUPPORTED_GRAPH = 7
    UNSUPPORTED_NODE = 8
    UNSUPPORTED_NODE_ATTR = 9
    UNSUPPORTED_NODE_INPUT = 10
    UNSUPPORTED_NODE_DATATYPE = 11
    UNSUPPORTED_NODE_DYNAMIC = 12
    UNSUPPORTED_NODE_SHAPE = 13
    REFIT_FAILED = 14


class DataType(ApiEnum):
    FLOAT = 0
    HALF = 1
    BF16 = 7
    INT8 = 2
    INT32 = 3
    INT64 = 8
    BOOL = 4
    UINT8 = 5
    FP8 = 6
    INT4 = 9
    FP4 = 10
    E8M0 = 11


class TensorLocation(ApiEnum):
    DEVICE = 0
    HOST = 1


class TensorIOMode(ApiEnum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class TensorFormat(ApiEnum):
    LINEAR = 0
    CHW2 = 1
    HWC8 = 2
    CHW4 = 3
    CHW16 = 4
    CHW32 = 5
    DHWC8 = 6
    CDHW32 = 7
    HWC = 8
    DLA_LINEAR = 9
    DLA_HWC4 = 10
    HWC16 = 11
    DHWC = 12


class ExecutionContextAllocationStrategy(ApiEnum):
    STATIC = 0
    ON_PROFILE_CHANGE = 1
    USER_MANAGED = 2


class LayerInformationFormat(ApiEnum):
    ONELINE = 0
    JSON = 1


class AllocatorFlag(ApiEnum):
    RESIZABLE = 0


class SeekPosition(ApiEnum):
    SET = 0
    CUR = 1
    END = 2


class APILanguage(ApiEnum):
    CPP = 0
    PYTHON = 1


class DimensionOperation(ApiEnum):
    SUM = 0
    PROD = 1
    MAX = 2
    MIN = 3
    SUB = 4
    EQUAL = 5
    LESS = 6
    FLOOR_DIV = 7
    CEIL_DIV = 8


class PluginFieldType(ApiEnum):
    FLOAT16 = 0
    FLOAT32 = 1
    FLOAT64 = 2
    INT8 = 3
    INT16 = 4
    INT32 = 5
    CHAR = 6
    DIMS = 7
    UNKNOWN = 8
    BF16 = 9
    INT64 = 10
    FP8 = 11
    INT4 = 12
    FP4 = 13


class PluginCreatorVersion(ApiEnum):
    V1 = 0
    V1_PYTHON = 64


class PluginCapabilityType(ApiEnum):
    CORE = 0
    BUILD = 1
    RUNTIME = 2


class TensorRTPhase(ApiEnum):
    BUILD = 0
    RUNTIME = 1


class QuickPluginCreationRequest(ApiEnum):
    UNKNOWN = 0
    PREFER_JIT = 1
    PREFER_AOT = 2
    STRICT_JIT = 3
    STRICT_AOT = 4


class PluginArgType(ApiEnum):
    INT = 0


class PluginArgDataType(ApiEnum):
    INT8 = 0
    INT16 = 1
    INT32 = 2
