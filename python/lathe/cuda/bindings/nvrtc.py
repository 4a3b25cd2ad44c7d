# SPDX-License-Identifier: Apache-2.0
"""cuda.bindings.nvrtc, as far as programs name it that compile nothing: its errors, which common
helpers translate. Kernels of a program's own are given to Lathe as data."""
import enum


class nvrtcResult(enum.IntEnum):  # noqa: N801
    """Errors of the compiler."""

    NVRTC_SUCCESS = 0
    NVRTC_ERROR_OUT_OF_MEMORY = 1
    NVRTC_ERROR_PROGRAM_CREATION_FAILURE = 2
    NVRTC_ERROR_INVALID_INPUT = 3
    NVRTC_ERROR_INVALID_PROGRAM = 4
    NVRTC_ERROR_INVALID_OPTION = 5
    NVRTC_ERROR_COMPILATION = 6
    NVRTC_ERROR_BUILTIN_OPERATION_FAILURE = 7
    NVRTC_ERROR_NO_NAME_EXPRESSIONS_AFTER_COMPILATION = 8
    NVRTC_ERROR_NO_LOWERED_NAMES_BEFORE_COMPILATION = 9
    NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID = 10
    NVRTC_ERROR_INTERNAL_ERROR = 11


def nvrtcGetErrorString(result):  # noqa: N802
    """(NVRTC_SUCCESS, the error's name)"""
    return nvrtcResult.NVRTC_SUCCESS, nvrtcResult(int(result)).name.encode()


def __getattr__(name):
    raise AttributeError(f"cuda.bindings.nvrtc.{name}: Lathe compiles no kernels for programs; give "
                         "the operator as data (docs/custom_operators.md), or keep the installed "
                         "package: python -m lathe.trt --keep cuda")
