# SPDX-License-Identifier: Apache-2.0
"""What the extension module asks of array libraries off its fast path."""
import numpy as np

from .errors import InputError


def dense(array):
    """The same values, row-major and without gaps."""
    if hasattr(array, "contiguous"):
        return array.detach().contiguous()
    if type(array).__module__.split(".")[0] == "cupy":
        return array.copy(order="C")
    return np.array(array, order="C")


def cupy_empty(shape, dtype, device):
    """An array of CuPy's on GPU `device`, whichever is current."""
    import cupy
    with cupy.cuda.Device(device):
        return cupy.empty(shape, dtype)


def is_array(value):
    """Whether a value has memory of its own that can be used where it lies."""
    return hasattr(value, "__dlpack__") or isinstance(value, np.ndarray)


def as_array(value, port):
    """An array for an input: `value` itself when it is one; lists and numbers are converted."""
    if is_array(value):
        return value
    try:
        return np.asarray(value, dtype=numpy_type(port.type))
    except (TypeError, ValueError) as e:
        raise InputError(f"input '{port.name}': {type(value).__name__} is no array: {e}") from e


def numpy_type(name):
    """The NumPy type for a type name of Lathe's ("f32", "bf16")."""
    if name in _SHORT:
        return np.dtype(_SHORT[name])
    import ml_dtypes
    return np.dtype(getattr(ml_dtypes, _ML_DTYPES[name]))


def type_name(dtype):
    """Lathe's name for what numpy.dtype takes; a name of Lathe's stays."""
    if isinstance(dtype, str) and (dtype in _SHORT or dtype not in _NAMES):
        return dtype
    name = np.dtype(dtype).name
    if name not in _NAMES:
        raise InputError(f"there is no element type for NumPy's {name}")
    return _NAMES[name]


_SHORT = {"f32": "float32", "f64": "float64", "f16": "float16", "bool": "bool",
          "c64": "complex64", "c128": "complex128",
          **{f"{sign}{bits}": f"{word}{bits}" for sign, word in (("i", "int"), ("u", "uint"))
             for bits in (8, 16, 32, 64)}}
_ML_DTYPES = {"bf16": "bfloat16", "f8e4m3fn": "float8_e4m3fn", "f8e5m2": "float8_e5m2",
              "f8e4m3fnuz": "float8_e4m3fnuz", "f8e5m2fnuz": "float8_e5m2fnuz",
              "f8e8m0": "float8_e8m0fnu"}
_NAMES = {theirs: ours for ours, theirs in (_SHORT | _ML_DTYPES).items()}
