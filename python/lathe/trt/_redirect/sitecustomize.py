# SPDX-License-Identifier: Apache-2.0
"""Python runs this at its start when `python -m lathe.trt` has put the folder on PYTHONPATH; then
the sitecustomize that it hides."""
import importlib.machinery
import importlib.util
import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))


def _hidden():
    paths = [p for p in sys.path if os.path.abspath(p) != _here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", paths)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def _install():
    import lathe_redirect
    names = os.environ.get(lathe_redirect.VARIABLE, "")
    lathe_redirect.install([n for n in names.split(",") if n])


_install()
_hidden()
