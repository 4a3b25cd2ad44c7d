# SPDX-License-Identifier: Apache-2.0
"""Element types: what NumPy and Lathe call them, and their sizes."""
import numpy as np

from .enums import DataType

_NUMPY = {
    DataType.FLOAT: np.float32,
    DataType.HALF: np.float16,
    DataType.INT8: np.int8,
    DataType.INT32: np.int32,
    DataType.INT64: np.int64,
    DataType.BOOL: np.bool_,
    DataType.UINT8: np.uint8,
}
_LATHE = {
    DataType.FLOAT: "f32",
    DataType.HALF: "f16",
    DataType.BF16: "bf16",
    DataType.INT8: "i8",
    DataType.INT32: "i32",
    DataType.INT64: "i64",
    DataType.BOOL: "bool",
    DataType.UINT8: "u8",
    DataType.FP8: "f8e4m3fn",
    DataType.INT4: "i4",
    DataType.FP4: "f4e2m1",
    DataType.E8M0: "f8e8m0",
}
_FROM_LATHE = {name: dtype for dtype, name in _LATHE.items()}
_BITS = {
    DataType.FLOAT: 32, DataType.HALF: 16, DataType.BF16: 16, DataType.FP8: 8, DataType.E8M0: 8,
    DataType.INT64: 64, DataType.INT32: 32, DataType.INT8: 8, DataType.UINT8: 8, DataType.BOOL: 8,
    DataType.INT4: 4, DataType.FP4: 4,
}
FLOATS = (DataType.FLOAT, DataType.HALF, DataType.BF16)


def nptype(trt_type):
    """The NumPy type of a DataType; TypeError for those that NumPy lacks (BF16, FP8, INT4)."""
    found = _NUMPY.get(trt_type) if isinstance(trt_type, DataType) else None
    if found is None:
        raise TypeError(f"Could not resolve TensorRT datatype {trt_type} to an equivalent numpy "
                        "datatype.")
    return found


def numpy_bits(dtype):
    """A NumPy type as wide as `dtype`, its own where NumPy has it: what holds its bytes."""
    return np.dtype(_NUMPY.get(dtype, np.uint16 if _BITS[dtype] == 16 else np.uint8))


def from_numpy(dtype):
    """The DataType of a NumPy type; TypeError where there is none."""
    dtype = np.dtype(dtype)
    if dtype.name == "bfloat16":  # of ml_dtypes
        return DataType.BF16
    for found, candidate in _NUMPY.items():
        if np.dtype(candidate) == dtype:
            return found
    raise TypeError(f"no DataType corresponds to NumPy's {dtype}")


def to_lathe(dtype):
    """Lathe's name of a type: "f32"."""
    return _LATHE[DataType(dtype)]


def from_lathe(name):
    """The DataType for Lathe's name of a type; doubles and unsigned integers have none."""
    found = _FROM_LATHE.get(str(name))
    if found is None:
        raise TypeError(f"the API of TensorRT has no element type for {name}")
    return found


def shown(name):
    """The DataType that programs see for Lathe's name of a type, which holds its values or, of
    doubles, nearly so. TypeError for text and complex numbers."""
    if name in _FROM_LATHE:
        return _FROM_LATHE[name]
    if name == "f64":
        return DataType.FLOAT
    return DataType.INT64 if name[0] in "iu" else from_lathe(name)


def byte_size(dtype, elements):
    """Bytes that `elements` elements take, packed."""
    return (_BITS[dtype] * elements + 7) // 8


def _itemsize(self):
    """Bytes of one element: 0.5 for INT4 and FP4."""
    size = _BITS[self] / 8
    return size if size < 1 else int(size)


DataType.itemsize = property(_itemsize)
