# SPDX-License-Identifier: Apache-2.0
"""Loads the compiled module with OpenMP's threads told to sleep early while they wait.

GCC's OpenMP spins for milliseconds, which beside another busy process makes a run many times as
long. It reads its settings when it is loaded, so they stand in the environment just then. What the
user has set counts, and a runtime that is loaded already (PyTorch's) keeps its own.
"""
import os

_NAME = "GOMP_SPINCOUNT"
_own = _NAME not in os.environ and "OMP_WAIT_POLICY" not in os.environ
if _own:
    os.environ[_NAME] = "10000"
try:
    from . import _core  # noqa: F401
finally:
    if _own:
        del os.environ[_NAME]
