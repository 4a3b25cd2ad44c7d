# SPDX-License-Identifier: Apache-2.0
"""What scripts use of PyCUDA and of cuda-python, over Lathe's devices, the CPU included.

    import lathe.cuda.driver as cuda            # import pycuda.driver as cuda
    import lathe.cuda.autoinit                  # import pycuda.autoinit
    from lathe.cuda import cudart               # from cuda import cudart
    from lathe.cuda.bindings import runtime     # from cuda.bindings import runtime

On the CPU "device" memory is host memory, an address is an ordinary one, and streams do everything
at once. On a GPU the addresses and streams are CUDA's own, so that those of PyCUDA, CuPy and
PyTorch may be mixed with these.

`default_device()` says which device that is: the environment's LATHE_DEVICE ("cpu", "cuda",
"cuda:1"), else the first GPU that works, else the CPU.
"""
from ._device import current, default_device, select, submit

__all__ = ["current", "cudart", "default_device", "select", "submit"]


def __getattr__(name):
    # `from lathe.cuda import cudart`: imported when asked for.
    if name in ("autoinit", "bindings", "cuda", "cudart", "driver"):
        import importlib
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
