# SPDX-License-Identifier: Apache-2.0
"""All enumerations of the API, and the short names of element types (`float32`)."""
from . import enums_build, enums_network, enums_runtime
from .enum_base import ApiEnum
from .enums_build import *  # noqa: F401,F403
from .enums_network import *  # noqa: F401,F403
from .enums_runtime import *  # noqa: F401,F403
from .enums_runtime import DataType

ENUMS = {
    name: value
    for module in (enums_build, enums_network, enums_runtime)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, ApiEnum) and value is not ApiEnum
}

float32 = DataType.FLOAT
float16 = DataType.HALF
bfloat16 = DataType.BF16
int8 = DataType.INT8
int32 = DataType.INT32
int64 = DataType.INT64
bool = DataType.BOOL  # noqa: A001, the API's name
uint8 = DataType.UINT8
fp8 = DataType.FP8
int4 = DataType.INT4
fp4 = DataType.FP4
e8m0 = DataType.E8M0

SHORT_TYPES = {name: value for name, value in vars().items() if isinstance(value, DataType)}
