# SPDX-License-Identifier: Apache-2.0
"""An import hook by which `tensorrt`, `pycuda` and `cuda` are Lathe's modules.

Imports nothing of Lathe until a program asks for one of these. Submodules of `cuda` that Lathe has
not (cuda.core, cuda.pathfinder) stay those of the installed package.
"""
import importlib
import importlib.machinery
import sys

VARIABLE = "LATHE_TRT_REDIRECT"  # the packages, by commas, for the processes that a program starts
PACKAGES = ("tensorrt", "pycuda", "cuda")

_TARGETS = {
    "tensorrt": "lathe.trt",
    "tensorrt_dispatch": "lathe.trt",
    "tensorrt_lean": "lathe.trt",
    "tensorrt.tensorrt": "lathe.trt",
    "tensorrt.plugin": "lathe.trt.plugin",
    "pycuda": "lathe.cuda",
    "pycuda.autoinit": "lathe.cuda.autoinit",
    "pycuda.driver": "lathe.cuda.driver",
    "pycuda.tools": "lathe.cuda.tools",
    "cuda.bindings": "lathe.cuda.bindings",
    "cuda.bindings.driver": "lathe.cuda.bindings.driver",
    "cuda.bindings.nvrtc": "lathe.cuda.bindings.nvrtc",
    "cuda.bindings.runtime": "lathe.cuda.bindings.runtime",
    "cuda.cuda": "lathe.cuda.cuda",
    "cuda.cudart": "lathe.cuda.cudart",
    "cuda.nvrtc": "lathe.cuda.bindings.nvrtc",
}


class _Alias:
    """A loader whose module is another one."""

    def __init__(self, target):
        self.target = target

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        sys.modules[module.__name__] = importlib.import_module(self.target)


class _Empty:
    """A loader of an empty package."""

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        pass


def _installed_folders(name):
    """Where a package of that name is installed, or nowhere."""
    spec = importlib.machinery.PathFinder.find_spec(name)
    return list(spec.submodule_search_locations or ()) if spec is not None else []


class _Finder:
    lathe = True  # whichever name this module was imported by

    def __init__(self, packages):
        self.packages = packages

    def find_spec(self, name, path=None, target=None):
        package = name.partition(".")[0].removesuffix("_dispatch").removesuffix("_lean")
        if package not in self.packages:
            return None
        if name in _TARGETS:
            spec = importlib.machinery.ModuleSpec(name, _Alias(_TARGETS[name]), is_package=True)
        elif name == "cuda":
            spec = importlib.machinery.ModuleSpec(name, _Empty(), is_package=True)
            spec.submodule_search_locations = _installed_folders(name)
        elif package == "cuda":
            return None
        else:
            raise ModuleNotFoundError(f"{name}: Lathe's {package} has no such module", name=name)
        return spec

    def find_distributions(self, context):
        """The version of `tensorrt`, for programs that ask what is installed."""
        if "tensorrt" not in self.packages or context.name not in (None, "tensorrt"):
            return
        import importlib.metadata

        class Distribution(importlib.metadata.Distribution):
            def read_text(self, filename):
                if filename != "METADATA":
                    return None
                version = importlib.import_module("lathe.trt").__version__
                return f"Metadata-Version: 2.1\nName: tensorrt\nVersion: {version}\n"

            def locate_file(self, path):
                raise FileNotFoundError(path)

        yield Distribution()

    def invalidate_caches(self):
        """Nothing is remembered."""


def install(packages):
    """Puts the hook before every other one, once."""
    sys.meta_path[:] = [f for f in sys.meta_path if not getattr(f, "lathe", False)]
    if packages:
        sys.meta_path.insert(0, _Finder(tuple(packages)))
