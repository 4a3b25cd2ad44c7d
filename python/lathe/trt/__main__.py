# SPDX-License-Identifier: Apache-2.0
"""Runs an existing program, unmodified, with Lathe for TensorRT.

    python -m lathe.trt [--api 8] [--device cpu] [--keep pycuda] SCRIPT.py [ARGUMENTS]
    python -m lathe.trt -m MODULE [ARGUMENTS]
    python -m lathe.trt polygraphy run model.onnx --trt --onnxrt

In that process and in those that it starts, `tensorrt`, `pycuda` and `cuda` are Lathe's
(_redirect/lathe_redirect.py); on the CPU so is the libcudart.so that programs open with ctypes.
"""
import argparse
import ctypes
import importlib.metadata
import os
import pathlib
import runpy
import shutil
import sys
import types

from ._redirect import lathe_redirect

_PACKAGE = pathlib.Path(__file__).resolve().parent


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m lathe.trt", usage="%(prog)s [options] SCRIPT.py | -m MODULE | PROGRAM ...",
        description="Run a program, unmodified, with Lathe for TensorRT.")
    parser.add_argument("--api", choices=("8", "10"), default="10",
                        help="8: also the names of TensorRT 8 that 10 dropped")
    parser.add_argument("--device", metavar="NAME",
                        help="cpu, cuda, cuda:1; else a GPU that works, else the CPU")
    parser.add_argument("--keep", action="append", choices=("pycuda", "cuda"), default=[],
                        help="leave this package to the one that is installed")
    parser.add_argument("-m", dest="module", action="store_true", help="run a module")
    parser.add_argument("program", help="a script, a module, or an installed program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def _prepend(variable, folder):
    rest = [p for p in os.environ.get(variable, "").split(os.pathsep) if p and p != str(folder)]
    os.environ[variable] = os.pathsep.join([str(folder), *rest])


def _environment(options):
    """What this process and those that it starts go by."""
    if options.device:
        os.environ["LATHE_DEVICE"] = options.device
    names = [n for n in lathe_redirect.PACKAGES if n not in options.keep]
    os.environ[lathe_redirect.VARIABLE] = ",".join(names)
    os.environ["LATHE_TRT_API"] = options.api
    _prepend("PYTHONPATH", _PACKAGE / "_redirect")
    lathe_redirect.install(names)
    if options.api == "8":
        from . import enable_legacy
        enable_legacy()


def _cuda_runtime():
    """Where no GPU is used: a libcudart.so over host memory, for programs that open it with ctypes,
    by the library path or, as it is in the process already, by its bare name."""
    from ..cuda import default_device
    library = _PACKAGE.parent / "lib" / "cudart" / "libcudart.so"
    if default_device() == "cpu" and library.exists():
        _prepend("LD_LIBRARY_PATH", library.parent)
        # Not RTLD_GLOBAL: what brings its own CUDA, as PyTorch does, must not bind to it.
        ctypes.CDLL(str(library))


def _run_script(path):
    sys.argv[0] = path
    sys.path[0] = os.path.dirname(os.path.abspath(path))
    module = types.ModuleType("__main__")
    module.__file__ = path
    module.__builtins__ = __builtins__
    sys.modules["__main__"] = module
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec")
    exec(code, module.__dict__)


def _run_program(name):
    """A console program of this environment within this process; another one in its place."""
    path = shutil.which(name)
    for entry in importlib.metadata.entry_points(group="console_scripts", name=name):
        sys.argv[0] = path or name
        del sys.path[0]
        sys.exit(entry.load()())
    if path is None:
        sys.exit(f"lathe.trt: {name}: no script, and no program of that name")
    os.execv(path, [name, *sys.argv[1:]])


def main():
    options = _parser().parse_args()
    _environment(options)
    _cuda_runtime()
    sys.argv = [options.program, *options.arguments]
    if options.module:
        sys.path[0] = os.getcwd()
        runpy.run_module(options.program, run_name="__main__", alter_sys=True)
    elif os.path.isfile(options.program):
        _run_script(options.program)
    elif options.program.endswith(".py") or os.sep in options.program:
        sys.exit(f"lathe.trt: {options.program}: no such file")
    else:
        _run_program(options.program)


if __name__ == "__main__":
    main()
