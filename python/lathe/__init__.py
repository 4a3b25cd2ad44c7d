# SPDX-License-Identifier: Apache-2.0
"""Lathe turns a trained network (ONNX) into an engine tuned for this machine, and runs it.

    engine = lathe.build("model.onnx", fp16=True)
    y, = engine(x)
    engine.save("model.engine")
"""
from . import custom
from ._core import devices, onnx_operators, operators
from ._core import version as _version
from .engine import Engine, Profile, build, load
from .errors import (Cancelled, DeviceError, Error, InputError, InternalError, NotFoundError,
                     OutOfMemory, UnsupportedError)
from .network import Network
from .session import Session

__version__ = _version()
__all__ = [
    "Cancelled", "DeviceError", "Engine", "Error", "InputError", "InternalError", "Network",
    "NotFoundError", "OutOfMemory", "Profile", "Session", "UnsupportedError", "build", "custom",
    "devices", "load", "onnx_operators", "operators",
]
